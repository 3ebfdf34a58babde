# SPDX-License-Identifier: Apache-2.0
"""Heads trained on a run's comparisons: each answer is read once by the bare base, and the fit takes a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.run_context import Cancelled, RunContext
from data.views.frozen_rows import TrainingRows
from data.views.preferences import PreferenceRow
from labeling.texts.pages import bad_input
from reward.about import HEADS, describe_base
from reward.base import distributed
from reward.base.frozen_base import Base
from reward.base.machine import free_host_bytes
from reward.heads.features import answer_features
from reward.heads.fit import Comparisons, FittedHeads, feature_scale, fit_heads
from reward.member import Member
from reward.model import RewardModel
from reward.report.documents import LearningCurve
from reward.report.learning_curve import Point, curve_report, nested_subsets
from reward.report.scored import ordered, share_by_prompt
from reward.settings import RewardSettings
from reward.training.rows import EncodedComparison

REFERENCE_SAMPLES = 512
"""Answers to training prompts that fix offset and scale."""
BYTES = 28
"""Memory per comparison and feature: both answers' and their difference in float32, that in float64, and a gradient."""


def read_comparisons(
    base: Base, rows: Sequence[EncodedComparison], seen: Callable[[int], None] = lambda _: None
) -> Comparisons:
    """Return the rows as features, labels and weights (mean 1). `seen` gets the number of answers read so far.

    Raises BadInput if the features do not fit the memory.
    """
    distributed.once(lambda: _check_memory(base, len(rows)))  # all processes must go on, or none
    answers: dict[str, tuple[list[int], list[int]]] = {}
    for comparison in rows:
        answers[comparison.row.a_id] = comparison.prompt, comparison.a
        answers[comparison.row.b_id] = comparison.prompt, comparison.b
    processes = distributed.world_size()

    def read(own: list[tuple[list[int], list[int]]]) -> list[torch.Tensor]:
        prompts, ids = [prompt for prompt, _ in own], [ids for _, ids in own]
        return list(answer_features(base, prompts, ids, lambda done: seen(done * processes))) if own else []

    features = torch.stack(distributed.map_shards(read, list(answers.values())))
    places = {id: number for number, id in enumerate(answers)}
    weights = torch.tensor([comparison.row.weight for comparison in rows])
    first, second = ([places[getattr(comparison.row, id)] for comparison in rows] for id in ("a_id", "b_id"))
    return Comparisons(
        features[first] - features[second],
        feature_scale(features),
        torch.tensor([comparison.row.label for comparison in rows]),
        weights / weights.mean(),
    )


def read_rows(context: RunContext, base: Base, rows: TrainingRows[EncodedComparison]) -> Comparisons:
    """Read the answers as features. Raises Cancelled."""

    def seen(answers: int) -> None:
        context.progress(answers, max(answers, 2 * len(rows)), "reading answers")
        if context.cancelled():
            raise Cancelled

    return read_comparisons(base, list(rows), seen)


def train_heads(
    context: RunContext,
    folder: Path,
    settings: RewardSettings,
    base: Base,
    rows: TrainingRows[EncodedComparison],
    data: Comparisons,
) -> tuple[RewardModel, dict[str, Any]]:
    """Train heads; return their reward model, saved in the folder, and the figures of the fit."""
    shown = [comparison.row for comparison in rows]
    fitted = fit_heads(data, [row.prompt_id for row in shown], settings.members, settings.seed)
    model = heads_model(base, fitted)
    model.calibrate(*reference_samples(rows))
    context.once(lambda: model.save(folder))
    return model, {"penalty": fitted.penalty, "cross_validated": cross_validated(data, fitted, shown)}


def reference_samples(rows: TrainingRows[EncodedComparison]) -> tuple[list[list[int]], list[list[int]]]:
    """Return the prompts and answers of the first training comparisons as ids."""
    first = rows.take(range(min(len(rows), REFERENCE_SAMPLES // 2)))
    prompts = [comparison.prompt for comparison in first for _ in range(2)]
    return prompts, [ids for comparison in first for ids in (comparison.a, comparison.b)]


def _check_memory(base: Base, comparisons: int) -> None:
    need, free = BYTES * comparisons * 3 * base.hidden_size, free_host_bytes()
    if need > free:
        raise bad_input(
            "refused.heads_memory",
            field="method",
            need=need / 1e9,
            comparisons=comparisons,
            free=free / 1e9,
        )


def cross_validated(data: Comparisons, fitted: FittedHeads, rows: Sequence[PreferenceRow]) -> dict[str, Any]:
    """Return loss and accuracy, without ties, of training comparisons by heads that did not see their prompts.

    `length_baseline` is the accuracy of preferring the longer answer of the same comparisons.
    """
    decided = (data.labels != 0.5).nonzero()[:, 0].tolist()
    labels, prompts = data.labels[decided].numpy(), [rows[row].prompt_id for row in decided]
    margins = fitted.held_out_margins[decided].numpy()
    longer = np.array([len(rows[row].a_text) - len(rows[row].b_text) for row in decided])
    accuracy, interval = share_by_prompt(ordered(margins, 0 * margins, labels), prompts)
    baseline, _ = share_by_prompt(ordered(longer, 0 * longer, labels), prompts)
    figures = {"loss": fitted.held_out_loss, "accuracy": accuracy, "ci": interval, "comparisons": len(decided)}
    return figures | {"length_baseline": baseline}


def heads_curve(
    base: Base, data: Comparisons, prompts: Sequence[int], test: Sequence[EncodedComparison], ceiling: float
) -> LearningCurve:
    """Return the learning curve of heads as JSON, refitted on nested subsets and measured on test comparisons."""
    decided = [comparison for comparison in test if comparison.row.label != 0.5]
    held_out = read_comparisons(base, decided)
    points = []
    for rows in [*nested_subsets(prompts), list(range(len(prompts)))]:
        head = fit_heads(data.take(rows), [prompts[row] for row in rows]).heads[0]
        margins = (held_out.differences @ head).numpy()
        points.append(Point(len(rows), ordered(margins, 0 * margins, held_out.labels.numpy())))
    return curve_report(points, [comparison.row.prompt_id for comparison in decided], ceiling)


def heads_model(base: Base, fitted: FittedHeads) -> RewardModel:
    """Return the reward model of these heads."""
    members = [Member(None, head, pooled=True) for head in fitted.heads]
    return RewardModel(base, members, replace(describe_base(base), method=HEADS))
