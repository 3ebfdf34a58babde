# SPDX-License-Identifier: Apache-2.0
"""The trainings behind a learning curve: a temporary reward model for each of the nested subsets of the labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.run_context import RunContext
from data.views.frozen_rows import TrainingRows
from reward.about import describe_base, write_about
from reward.base.adapters import write_adapter
from reward.base.frozen_base import Base
from reward.model import RewardModel
from reward.report.documents import LearningCurve
from reward.report.learning_curve import Point, curve_report, nested_subsets
from reward.report.scored import by_score, right
from reward.training.callback import Progress
from reward.training.fit import Fitted
from reward.training.rows import EncodedComparison
from reward.training.score_test import score_labeled

Fit = Callable[[Path, TrainingRows[EncodedComparison], Progress], Fitted]
"""Train one reward model on the rows, with its checkpoints in the folder."""


@dataclass(frozen=True, slots=True)
class Subsets:
    """The nested subsets of a run's training rows. The run's checkpoint holds a folder for the adapter of each."""

    context: RunContext
    base: Base
    rows: TrainingRows[EncodedComparison]

    def train(self, fit: Fit) -> None:
        """Train on every subset that is not finished yet. The base must carry no adapter.

        Raises Cancelled after a checkpoint.
        """
        for subset in self._subsets():
            finished = self._finished(subset)
            if not finished.is_dir():
                checkpoints, part = finished.with_name("trainer"), finished.with_name("part")
                note = f"learning curve: training on {len(subset):,} labels"
                # No curves: the run stores those of the published model only.
                fitted = fit(checkpoints, subset, Progress(self.context, {}, note))

                def keep(fitted: Fitted = fitted, part: Path = part, finished: Path = finished) -> None:
                    write_adapter(part, fitted.config, fitted.weights)
                    write_about(part, describe_base(self.base))
                    part.rename(finished)
                    shutil.rmtree(finished.with_name("trainer"))

                self.context.once(keep)

    def curve(self, whole: RewardModel, test: Sequence[EncodedComparison], ceiling: float) -> LearningCurve:
        """Return the curve as JSON, measured on the test comparisons without ties.

        `whole` is the model trained on all labels; an ensemble is represented by its first member.
        """
        decided = [comparison for comparison in test if comparison.row.label != 0.5]
        points = [Point(len(subset), self._outcomes(subset, decided)) for subset in self._subsets()]
        points.append(Point(len(self.rows), right(score_labeled(whole.first_member, decided), by_score)))
        return curve_report(points, [comparison.row.prompt_id for comparison in decided], ceiling)

    def _subsets(self) -> list[TrainingRows[EncodedComparison]]:
        prompts = [comparison.row.prompt_id for comparison in self.rows]
        return [self.rows.take(numbers) for numbers in nested_subsets(prompts)]

    def _finished(self, subset: TrainingRows[EncodedComparison]) -> Path:
        return self.context.checkpoints() / f"curve-{len(subset)}" / "adapter"

    def _outcomes(self, subset: TrainingRows[EncodedComparison], decided: Sequence[EncodedComparison]) -> np.ndarray:
        model = RewardModel.load(self._finished(subset), self.base)
        outcomes = right(score_labeled(model, decided), by_score)
        (member,) = model.members
        assert member.role is not None, "a trained member has an adapter"
        self.base.drop_adapter(member.role)
        return outcomes
