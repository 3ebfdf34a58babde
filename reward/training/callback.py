# SPDX-License-Identifier: Apache-2.0
"""Callbacks of a training: the link to its run (progress, metrics, cancellation), and the choice of its best pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from data.run_context import RunContext


def newest_checkpoint(folder: str | Path | None) -> str | None:
    """Return the newest checkpoint in a trainer's folder, which only the main process of a run makes."""
    return get_last_checkpoint(str(folder)) if folder and Path(folder).is_dir() else None


class BestPass(TrainerCallback):
    """Keeps the weights of the pass after which held-out comparisons are most likely.

    `measure` returns their loss, and `copy_weights` the weights on the CPU. A checkpoint holds `state`.
    """

    def __init__(
        self,
        steps: int,
        measure: Callable[[], float],
        copy_weights: Callable[[], dict[str, torch.Tensor]],
    ) -> None:
        self.steps, self.measure, self.copy_weights = steps, measure, copy_weights
        self.losses: list[float] = []
        self.weights: dict[str, torch.Tensor] = {}

    @property
    def best(self) -> int:
        """The number of the best pass, from 1."""
        return 1 + self.losses.index(min(self.losses))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Measure after the last step of a pass, before a checkpoint of that step is saved."""
        if state.global_step % self.steps == 0:
            self.losses.append(self.measure())
            if self.best == len(self.losses):
                self.weights = self.copy_weights()

    def state(self) -> dict[str, object]:
        """Return what a resumed training needs."""
        return {"losses": self.losses, "weights": self.weights}

    def restore(self, losses: list[float], weights: dict[str, torch.Tensor]) -> None:
        """Go on from the state of a checkpoint."""
        self.losses, self.weights = losses, weights


class Progress(TrainerCallback):
    """Write a training's steps and logged numbers to the run, and stop the training when the run is cancelled.

    A cancelled training saves its checkpoint first; then `stopped` is True. `curves` maps the logged numbers to store
    to their names; None stores all of them. `note` describes the work in the progress bar. This is number `member` of
    `members` trainings in one run: their steps and curves follow each other.
    """

    def __init__(
        self,
        context: RunContext,
        curves: Mapping[str, str] | None = None,
        note: str = "steps",
        member: int = 0,
        members: int = 1,
    ) -> None:
        self.context, self.curves, self.note, self.member, self.members = context, curves, note, member, members
        self.stopped = False

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Report the step. If the run was cancelled before its last step, save and stop."""
        self.context.progress(self._step(state), self.members * state.max_steps, self.note)
        if self.context.cancelled() and state.global_step < state.max_steps:
            self.stopped = control.should_save = control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, object] | None = None,
        **_: object,
    ) -> None:
        """Store the numbers of a log as points of the run's curves."""
        numbers = {key: float(value) for key, value in (logs or {}).items() if isinstance(value, (int, float))}
        if self.curves is not None:
            numbers = {self.curves[key]: value for key, value in numbers.items() if key in self.curves}
        if numbers:
            self.context.metric(self._step(state), **numbers)

    def _step(self, state: TrainerState) -> int:
        return self.member * state.max_steps + state.global_step
