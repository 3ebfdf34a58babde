# SPDX-License-Identifier: Apache-2.0
"""The report of a reward model on test prompts: arithmetic on scores, labels and, if known, rubric scores.

Ties between answers have no order: they count half in `accuracy_ties_half` and in the loss, and not at all in the other
accuracies. Equal scores count half everywhere. Intervals are 95 % percentile bootstraps over prompts, because
comparisons of one prompt are not independent. If there is no test label, every figure is None and `note` says so.
docs/reward.md lists the keys.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reward.report.calibration import calibration_report, columns, cross_entropy, sigmoid
from reward.report.documents import Agreement, Disagreement, Histogram
from reward.report.groups import by_labeler, by_margin, by_winner_side, correlations, feature_biases
from reward.report.learning_curve import highest_accuracy
from reward.report.scored import SAME, FitPair, ScoredComparison, above, accuracy, by_gold, by_score, share_by_prompt

HISTOGRAM_BINS, WORST = 30, 20


def build_report(
    comparisons: Sequence[ScoredComparison],
    fit_pairs: Sequence[FitPair] = (),
    agreement: Agreement | None = None,
    validation: Sequence[ScoredComparison] = (),
) -> dict[str, Any]:
    """Return every figure of a reward model as JSON.

    `agreement` is measured between the labelers of the same data. The temperature is fitted on `validation`, the
    comparisons of validation prompts.
    """
    decided = [row for row in comparisons if row.label != 0.5]
    report = {
        "test_comparisons": len(comparisons),
        "test_prompts": len({row.prompt_id for row in comparisons}),
        "ties": len(comparisons) - len(decided),
        "agreement": agreement,
        "reachable": reachable(agreement),
        "chance_loss": math.log(2),
        **_accuracies(comparisons, decided),
        **_fit_accuracy(fit_pairs),
    }
    report["skill"] = skill(report["accuracy"], report["ceiling"])
    if not decided:
        return report | {"note": "no comparison of a test prompt yet: accuracy is not known"}
    return report | {
        "loss": cross_entropy(*columns(comparisons)[:2]),
        "by_margin": by_margin(comparisons),
        "by_labeler": by_labeler(decided),
        "by_winner_side": by_winner_side(decided),
        **calibration_report(comparisons, validation),
        "histogram": _histogram(decided),
        **correlations(comparisons),
        "leanings": feature_biases(decided),
        "worst": _worst(decided),
    }


def skill(accuracy: float | None, ceiling: float | None) -> float | None:
    """Return (accuracy - 0.5) / (ceiling - 0.5): 0 is a coin flip, 1 is the rubric score on the same noisy labels."""
    if accuracy is None or ceiling is None or abs(ceiling - 0.5) < SAME:
        return None
    return (accuracy - 0.5) / (ceiling - 0.5)


def reachable(agreement: Agreement | None) -> list[float] | None:
    """Return the limits of the best possible model's accuracy, given the agreement of labelers; None if unknown."""
    if not agreement or agreement.get("rate") is None:
        return None
    rate = agreement["rate"]
    return None if rate is None else [rate, highest_accuracy(rate)]


def highest_reachable(report: Mapping[str, Any]) -> float:
    """Return the upper bound of a forecast.

    It is the accuracy of the rubric score if known, else the most that the upper limit of labelers' agreement allows,
    else 1.
    """
    if report["ceiling"] is not None:
        return report["ceiling"]
    return highest_accuracy(report["agreement"]["ci"][1]) if report["reachable"] else 1.0


def _accuracies(comparisons: Sequence[ScoredComparison], decided: Sequence[ScoredComparison]) -> dict[str, Any]:
    share, interval = accuracy(decided)
    share_half, interval_half = accuracy(comparisons)
    with_gold = [row for row in decided if row.has_gold]
    gold_labels = [
        replace(row, label=float(by_gold(row)[0] > by_gold(row)[1]))
        for row in with_gold
        if abs(by_gold(row)[0] - by_gold(row)[1]) >= SAME
    ]
    gold_accuracy, gold_interval = accuracy(gold_labels)
    return {
        "accuracy": share,
        "ci": interval,
        "accuracy_ties_half": share_half,
        "ci_ties_half": interval_half,
        "ceiling": accuracy(with_gold, by_gold)[0] if len(with_gold) == len(decided) else None,
        "length_baseline": accuracy(decided, lambda row: (len(row.a_text), len(row.b_text)))[0],
        "gold_accuracy": gold_accuracy,
        "gold_ci": gold_interval,
    }


def _fit_accuracy(pairs: Sequence[FitPair]) -> dict[str, Any]:
    outcomes = above(np.array([pair.fitting for pair in pairs]), np.array([pair.other for pair in pairs]))
    share, interval = share_by_prompt(outcomes, [pair.prompt_id for pair in pairs])
    return {"fit_accuracy": share, "fit_ci": interval, "fit_pairs": len(pairs)}


def _histogram(decided: Sequence[ScoredComparison]) -> Histogram:
    """Count the raw scores of the preferred and of the other answers in shared bins."""
    ordered = [by_score(row) if row.label == 1.0 else by_score(row)[::-1] for row in decided]
    chosen, rejected = zip(*ordered, strict=True)
    edges = np.histogram_bin_edges([*chosen, *rejected], bins=HISTOGRAM_BINS)
    counts = [np.histogram(scores, bins=edges)[0].tolist() for scores in (chosen, rejected)]
    return {"edges": edges.tolist(), "chosen": counts[0], "rejected": counts[1]}


def _worst(decided: Sequence[ScoredComparison]) -> list[Disagreement]:
    """Return the comparisons on which the model most clearly prefers the answer that the labeler rejected."""
    gaps = [(row.b_score - row.a_score) * (1 if row.label == 1.0 else -1) for row in decided]
    order = sorted(range(len(decided)), key=lambda number: -gaps[number])[:WORST]
    return [_disagreement(decided[number], gaps[number]) for number in order if gaps[number] > SAME]


def _disagreement(row: ScoredComparison, gap: float) -> Disagreement:
    a, b = (row.a_text, row.a_score), (row.b_text, row.b_score)
    (preferred, preferred_score), (other, other_score) = (a, b) if row.label == 1.0 else (b, a)
    return {
        "prompt": row.prompt,
        "preferred": preferred,
        "preferred_score": round(preferred_score, 3),
        "model_prefers": other,
        "model_prefers_score": round(other_score, 3),
        "margin": row.margin,
        "difference": round(float(gap), 3),
        "confidence": round(float(sigmoid(gap)), 4),
        "labeler": row.labeler,
        "comparison": row.comparison_id,
    }
