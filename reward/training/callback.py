# SPDX-License-Identifier: Apache-2.0
"""The link between a transformers Trainer and its run: checkpoint to resume from, progress, metrics, cancellation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from data.run_context import RunContext


def newest_checkpoint(folder: str | Path | None) -> str | None:
    """Return the newest checkpoint in a trainer's folder, which only the main process of a run makes."""
    return get_last_checkpoint(str(folder)) if folder and Path(folder).is_dir() else None


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
