# SPDX-License-Identifier: Apache-2.0
"""The trainings behind a learning curve: one reward model per nested subset of the labels, judged and thrown away."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.run_context import RunContext
from data.views.frozen_rows import TrainingRows
from reward.about import describe_base, write_about
from reward.base.adapters import write_adapter
from reward.base.frozen_base import Base
from reward.model import RewardModel
from reward.report.learning_curve import Point, curve_report, nested_subsets
from reward.report.scored import by_score, right
from reward.training.callback import Progress
from reward.training.fit import Fitted
from reward.training.rows import EncodedComparison
from reward.training.score_test import score_labeled

Fit = Callable[[Path, TrainingRows[EncodedComparison], Progress], Fitted]
"""Trains one reward model on the rows, with its checkpoints in the folder."""


@dataclass(frozen=True, slots=True)
class Subsets:
    """The nested subsets of a run's training rows, and a folder for the adapter of each in the run's checkpoint."""

    context: RunContext
    base: Base
    rows: TrainingRows[EncodedComparison]

    def train(self, fit: Fit) -> None:
        """Train on every subset that is not finished yet, while the base carries no adapter.

        Raises Cancelled after a checkpoint.
        """
        for subset in self._subsets():
            done = self._finished(subset)
            if not done.is_dir():
                checkpoints, part = done.with_name("trainer"), done.with_name("part")
                note = f"learning curve: training on {len(subset):,} labels"
                fitted = fit(
                    checkpoints, subset, Progress(self.context, {}, note)
                )  # curves are those of the model that is published
                write_adapter(part, fitted.config, fitted.weights)
                write_about(part, describe_base(self.base))
                part.rename(done)
                shutil.rmtree(checkpoints)

    def curve(self, whole: RewardModel, test: Sequence[EncodedComparison], ceiling: float) -> dict[str, Any]:
        """Return the curve as JSON, by the decided ones of the test comparisons.

        Of an ensemble its first member stands for all labels.
        """
        decided = [each for each in test if each.row.label != 0.5]
        points = [Point(len(subset), self._outcomes(subset, decided)) for subset in self._subsets()]
        points.append(Point(len(self.rows), right(score_labeled(whole.first_member, decided), by_score)))
        return curve_report(points, [each.row.prompt_id for each in decided], ceiling)

    def _subsets(self) -> list[TrainingRows[EncodedComparison]]:
        return [self.rows.take(numbers) for numbers in nested_subsets([each.row.prompt_id for each in self.rows])]

    def _finished(self, subset: TrainingRows[EncodedComparison]) -> Path:
        return self.context.checkpoints() / f"curve-{len(subset)}" / "adapter"

    def _outcomes(self, subset: TrainingRows[EncodedComparison], decided: Sequence[EncodedComparison]) -> np.ndarray:
        model = RewardModel.load(self._finished(subset), self.base)
        outcomes = right(score_labeled(model, decided), by_score)
        self.base.drop_adapter(model.members[0].role)
        return outcomes
