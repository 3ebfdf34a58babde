# SPDX-License-Identifier: Apache-2.0
"""Heads trained on a run's comparisons: each answer is read once by the bare base, and the fit takes a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from reward.about import HEADS, describe_base
from reward.base.frozen_base import Base
from reward.heads.features import answer_features
from reward.heads.fit import Comparisons, FittedHeads, fit_heads
from reward.member import Member
from reward.model import RewardModel
from reward.report.documents import LearningCurve
from reward.report.learning_curve import Point, curve_report, nested_subsets
from reward.report.scored import ordered, share_by_prompt
from reward.training.rows import EncodedComparison


def read_comparisons(
    base: Base, rows: Sequence[EncodedComparison], seen: Callable[[int], None] = lambda _: None
) -> Comparisons:
    """Return the rows as features, labels and weights (mean 1). `seen` gets the number of answers read so far."""
    answers: dict[str, tuple[list[int], list[int]]] = {}
    for comparison in rows:
        answers[comparison.row.a_id] = comparison.prompt, comparison.a
        answers[comparison.row.b_id] = comparison.prompt, comparison.b
    prompts, ids = zip(*answers.values(), strict=True)
    features = answer_features(base, prompts, ids, seen)
    places = {id: number for number, id in enumerate(answers)}
    weights = torch.tensor([comparison.row.weight for comparison in rows])
    return Comparisons(
        features[[places[comparison.row.a_id] for comparison in rows]],
        features[[places[comparison.row.b_id] for comparison in rows]],
        torch.tensor([comparison.row.label for comparison in rows]),
        weights / weights.mean(),
    )


def cross_validated(data: Comparisons, fitted: FittedHeads, prompts: Sequence[int]) -> dict[str, Any]:
    """Return loss and accuracy, without ties, of training comparisons by heads that did not see their prompts."""
    decided = (data.labels != 0.5).nonzero()[:, 0].tolist()
    margins = fitted.held_out_margins[decided].numpy()
    right = ordered(margins, 0 * margins, data.labels[decided].numpy())
    accuracy, interval = share_by_prompt(right, [prompts[row] for row in decided])
    return {"loss": fitted.held_out_loss, "accuracy": accuracy, "ci": interval, "comparisons": len(decided)}


def heads_curve(
    base: Base, data: Comparisons, prompts: Sequence[int], test: Sequence[EncodedComparison], ceiling: float
) -> LearningCurve:
    """Return the learning curve of heads as JSON, refitted on nested subsets and measured on test comparisons."""
    decided = [comparison for comparison in test if comparison.row.label != 0.5]
    held_out = read_comparisons(base, decided)
    differences = held_out.first - held_out.second
    points = []
    for rows in [*nested_subsets(prompts), list(range(len(prompts)))]:
        head = fit_heads(data.take(rows), [prompts[row] for row in rows]).heads[0]
        margins = (differences @ head).numpy()
        points.append(Point(len(rows), ordered(margins, 0 * margins, held_out.labels.numpy())))
    return curve_report(points, [comparison.row.prompt_id for comparison in decided], ceiling)


def heads_model(base: Base, fitted: FittedHeads) -> RewardModel:
    """Return the reward model of these heads."""
    members = [Member(None, head, pooled=True) for head in fitted.heads]
    return RewardModel(base, members, replace(describe_base(base), method=HEADS))
