"""The trainings behind a learning curve: one reward model per nested subset of the labels, judged and thrown away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.context import RunContext
from reward.adapters import write_adapter
from reward.base import Base
from reward.curve import Point, curve_report, nested_subsets
from reward.ensemble import RewardEnsemble
from reward.fit import Fitted
from reward.judge import judge_labeled
from reward.judged import by_score, right
from reward.model import RewardModel, about_base, write_about
from reward.rows import Encoded
from reward.trainer import Watch

Fit = Callable[[Path, Sequence[Encoded], Watch], Fitted]
"""Trains one reward model on the rows, with its checkpoints in the folder."""


class SubsetWatch(Watch):
    """Progress of one of the curve's trainings; its metrics are not those of the run."""

    def __init__(self, context: RunContext, labels: int) -> None:
        super().__init__(context)
        self.note = f"learning curve: training on {labels:,} labels"

    def on_log(self, *_: Any, **__: Any) -> None:
        """Nothing: the run's curves are those of the model that it publishes."""


@dataclass(frozen=True, slots=True)
class Subsets:
    """What all trainings of a curve share. `test` are the decided comparisons of test prompts."""

    context: RunContext
    base: Base
    fit: Fit
    test: Sequence[Encoded]

    def curve(self, rows: Sequence[Encoded], whole: RewardModel, ceiling: float) -> dict[str, Any]:
        """The curve as JSON; `whole` was trained on all the rows. Of an ensemble its first member stands for all labels.

        Raises Cancelled after a checkpoint; points that were finished before are not trained again.
        """
        taken = nested_subsets([each.row.prompt_id for each in rows])
        points = [self._point([rows[number] for number in subset]) for subset in taken]
        first = whole.members[0] if isinstance(whole, RewardEnsemble) else whole
        prompts = [each.row.prompt_id for each in self.test]
        return curve_report([*points, Point(len(rows), self._outcomes(first))], prompts, ceiling)

    def _point(self, rows: Sequence[Encoded]) -> Point:
        folder = self.context.checkpoints() / f"curve-{len(rows)}"
        done = folder / "outcomes.json"
        if not done.is_file():
            fitted = self.fit(folder / "trainer", rows, SubsetWatch(self.context, len(rows)))
            done.write_text(json.dumps(self._judged(folder / "adapter", fitted)))
            shutil.rmtree(folder / "trainer")
        return Point(len(rows), np.array(json.loads(done.read_text())))

    def _judged(self, folder: Path, fitted: Fitted) -> list[float]:
        write_adapter(folder, fitted.config, fitted.weights)
        write_about(folder, about_base(self.base))
        model = RewardModel.load(folder, self.base)
        outcomes = self._outcomes(model).tolist()
        self.base.drop_adapter(model.role)
        return outcomes

    def _outcomes(self, model: RewardModel) -> np.ndarray:
        return right(judge_labeled(model, self.test), by_score)
