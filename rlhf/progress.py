"""How a transformers Trainer tells a run how far it is, and hears that it should stop."""

from __future__ import annotations

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from data.context import RunContext


class Progress(TrainerCallback):
    """Writes steps and numeric logs to the run; a cancelled run saves its checkpoint and stops."""

    def __init__(self, context: RunContext) -> None:
        self.context = context

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Report the step; ask to save and stop where somebody cancelled."""
        self.context.progress(state.global_step, state.max_steps, "steps")
        if self.context.cancelled():
            control.should_save = control.should_training_stop = True

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict | None = None, **_: object) -> None:
        """Every number of a log becomes a point of a curve."""
        self.context.metric(state.global_step, **{key: float(value) for key, value in (logs or {}).items() if isinstance(value, (int, float))})
