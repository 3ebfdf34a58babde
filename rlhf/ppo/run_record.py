# SPDX-License-Identifier: Apache-2.0
"""The record of a PPO run: curves, samples and progress while it trains, and the figures of its report at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from data.run_context import RunContext
from data.starter import rubric
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.people.early_stop import PeopleStop
from rlhf.ppo.prompt_rows import PromptRow
from rlhf.ppo.trainer import PPOTrainer

SAMPLES = 4
"""Samples recorded of each validation."""


class RunRecorder(TrainerCallback):
    """Record curves by update, samples and progress. Stop a cancelled run after its update, and save that update."""

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.trainer: PPOTrainer | None = None
        self.people: PeopleStop | None = None
        self.cancelled = False

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Record progress. After a whole update, stop the run if a person cancelled it."""
        per_update = _steps_per_update(args)
        note = f"update {state.global_step // per_update} of {state.max_steps // per_update}"
        if self.people is not None and self.people.status:
            note += f"; {self.people.status}"
        self.context.progress(state.global_step, state.max_steps, note)
        if state.global_step % per_update == 0 and state.global_step < state.max_steps and self.context.cancelled():
            self.cancelled = control.should_save = control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        """Record the metrics of an update or a validation at the update's number."""
        metrics = {name: float(value) for name, value in (logs or {}).items() if name != "epoch"}
        self.context.metric(state.global_step // _steps_per_update(args), **metrics)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Record the first samples of a validation."""
        assert self.trainer is not None
        for sample in self.trainer.samples[:SAMPLES]:
            self.context.sample(state.global_step // _steps_per_update(args), **sample)


def _steps_per_update(args: TrainingArguments) -> int:
    return cast(PPOConfig, args).steps_per_update


def rubric_scores(rows: Sequence[PromptRow], texts: Sequence[str], ended: Sequence[bool]) -> list[float]:
    """Return the rubric scores of answers to the starter's prompts, a curve that shows over-optimisation."""
    return [rubric.gold(row["facts"], text, end) for row, text, end in zip(rows, texts, ended, strict=True)]


def report_figures(trainer: PPOTrainer) -> dict[str, Any]:
    """Return the report: why the run ended, the best policy's update, reward and KL, and the curves of reward and KL.

    `gold_per_look`, if the rubric scored, has the pairs (update, mean rubric score of its validation).
    `guard` is the guard's mean at the best policy.
    """
    history, best = trainer.state.log_history, trainer.best
    assert best is not None  # the start is always within the budget
    rollouts = [log for log in history if "rollout_seconds" in log]
    gold = [(log["step"] // trainer.args.steps_per_update, log["eval_gold"]) for log in history if "eval_gold" in log]
    guard = trainer.guard.state.best if trainer.guard else None
    return (
        ({} if guard is None else {"guard": guard.mean})
        | ({"gold_per_look": gold} if gold else {})
        | {
            "end": trainer.end_reason or "all updates are done",
            "kl": best.kl,
            "reward": best.reward,
            "checkpoint": best.update,
            "kl_per_step": [log["kl"] for log in rollouts],
            "reward_per_step": [log["reward"] for log in rollouts],
        }
    )
