# SPDX-License-Identifier: Apache-2.0
"""The report of a run that trains a reward model, from its scores of the held-out comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from data.run_context import RunContext
from data.store import Store
from data.tables.verdicts import MACHINES
from data.views.frozen_rows import HeldOutRows, TrainingRows
from data.views.preferences import PreferenceRow
from labeling.quality.agreement import measure_agreement
from reward.model import RewardModel
from reward.report.build import build_report
from reward.report.documents import Agreement
from reward.training.rows import EncodedComparison, RowEncoder
from reward.training.score_test import distinct_answers, score_comparisons, score_labeled


def report_of(
    context: RunContext,
    model: RewardModel,
    encoder: RowEncoder,
    training: TrainingRows[PreferenceRow],
    held_out: HeldOutRows,
    test: Sequence[EncodedComparison],
    validation: Sequence[EncodedComparison],
) -> dict[str, Any]:
    """Score the held-out comparisons, `test` and `validation`, and return the report."""
    rows = [*training, *held_out.validation, *held_out.test]
    context.progress(1, 1, f"scoring {len(test)} test comparisons")
    report = build_report(
        *score_comparisons(context.store, model, encoder, test),
        agreement_of(context.store, rows),
        score_labeled(model, validation),
    )
    context.progress(1, 1, "done")
    return report | _member_figures(model, test)


def encode_held_out(
    encoder: RowEncoder, held_out: HeldOutRows
) -> tuple[list[EncodedComparison], list[EncodedComparison]]:
    """Return the comparisons of test prompts and those of validation prompts, as ids."""
    return encoder.encode(held_out.test), encoder.encode(held_out.validation)


def _member_figures(model: RewardModel, test: Sequence[EncodedComparison]) -> dict[str, Any]:
    """Return the learned cut points, and for an ensemble its size, mean score and mean deviation on test answers."""
    members = model.members
    points = [list(member.cut_points) for member in members]
    figures: dict[str, Any] = {"cut_points": points} if any(points) else {}
    if len(members) > 1 and test:
        answers = distinct_answers(test)
        scores, deviations = model.score_with_deviation(*zip(*answers.values(), strict=True))
        figures |= {
            "members": len(members),
            "mean_score": float(scores.mean()),
            "mean_deviation": float(deviations.mean()),
        }
    return figures


def agreement_of(store: Store, rows: Sequence[PreferenceRow]) -> Agreement:
    """Return the agreement between labelers of one source: the source of the rows whose labelers share most pairs.

    Simulated and AI labelers count only if the run has no other labels. Adjudications have no two labelers.
    """
    used = {row.source for row in rows if row.kind != "adjudication"} or {"person"}
    by_source = {
        name: measure_agreement(store, name) for name in sorted(used.difference(MACHINES) or used, reverse=True)
    }
    source = max(by_source, key=lambda name: by_source[name].units)
    agreement = by_source[source]
    return {
        "rate": agreement.rate,
        "ci": [agreement.low, agreement.high],
        "pairs": agreement.pairs,
        "source": source,
    }
