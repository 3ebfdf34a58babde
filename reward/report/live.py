# SPDX-License-Identifier: Apache-2.0
"""The accuracy of a reward model on comparisons that came after its training, from scores in the store."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from data.records import RewardModel
from data.store import Store
from data.views.live_comparisons import live_comparisons, scoring_models
from labeling.texts.pages import format_share
from reward.report.scored import ordered, share_by_prompt


class LiveAccuracy(NamedTuple):
    """The share of `comparisons` of test prompts that a model orders as labeled, ties left out, and its interval."""

    accuracy: float
    interval: list[float]
    comparisons: int

    @property
    def shown(self) -> str:
        """The share with its interval and number."""
        return format_share(self.accuracy, self.interval, self.comparisons)


def live_accuracy(store: Store, model: RewardModel) -> LiveAccuracy | None:
    """Return the accuracy since the training; None if the model scored no decided comparison yet."""
    decided = [row for row in live_comparisons(store, model) if row.label != 0.5]
    if not decided:
        return None
    prompts, labels, first, second = (np.array(column) for column in zip(*decided, strict=True))
    share, interval = share_by_prompt(ordered(first, second, labels), prompts)
    assert share is not None
    assert interval is not None
    return LiveAccuracy(share, interval, len(decided))


def live_accuracies(store: Store) -> dict[int, LiveAccuracy]:
    """Return the accuracy since the training of the models that score new comparisons, by model."""
    figures = {model.id: live_accuracy(store, model) for model in scoring_models(store)}
    return {id: figure for id, figure in figures.items() if figure}
