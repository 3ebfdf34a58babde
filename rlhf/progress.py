"""How a transformers Trainer tells a run how far it is, and hears that it should stop."""

from __future__ import annotations

from collections.abc import Mapping

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from data.context import RunContext


class Progress(TrainerCallback):
    """Writes steps and numeric logs to the run; a cancelled run saves its checkpoint and stops."""

    def __init__(self, context: RunContext, curves: Mapping[str, str] | None = None) -> None:
        """`curves`: which numbers of a log are kept, and under which names; without it all of them as they are."""
        self.context, self.curves = context, curves

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Report the step; ask to save and stop where somebody cancelled."""
        self.context.progress(state.global_step, state.max_steps, "steps")
        if self.context.cancelled():
            control.should_save = control.should_training_stop = True

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict | None = None, **_: object) -> None:
        """The numbers of a log become points of curves."""
        numbers = {key: float(value) for key, value in (logs or {}).items() if isinstance(value, (int, float))}
        if self.curves is not None:
            numbers = {self.curves[key]: value for key, value in numbers.items() if key in self.curves}
        self.context.metric(state.global_step, **numbers)
