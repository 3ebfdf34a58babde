# SPDX-License-Identifier: Apache-2.0
"""A PPO run: from a policy and a reward model in the store to a new policy in the store."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from data.errors import BadInput
from data.records import Policy, Prompt
from data.records import RewardModel as RewardRecord
from data.run_context import Cancelled, RunContext, RunResult
from data.settings import as_dict
from data.starter import SOURCE, rubric
from data.store import Store
from reward.base.adapters import default_lora
from reward.base.frozen_base import Base
from reward.base.machine import library_versions, peak_mb
from rlhf.common import distributed
from rlhf.models.policy_loading import adapter_folder
from rlhf.models.reward_choice import choose_reward, load_reward, with_uncertainty_penalty
from rlhf.models.start_policy import choose_start
from rlhf.ppo.checkpoint import last_checkpoint
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.roles import POLICY
from rlhf.ppo.rollout import encode_prompt
from rlhf.ppo.settings import PPOSettings
from rlhf.ppo.trainer import PPOTrainer
from rlhf.sampling.pairing import training_prompts

MINIBATCH, PASS = 32, 16  # answers in an optimizer step, and at most in one forward pass
SHOWN = 4  # samples recorded of each validation
Row = dict[str, Any]


class _Report(TrainerCallback):
    """Records curves by update, samples and progress; stops a cancelled run after its update, which is saved."""

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.trainer: PPOTrainer | None = None
        self.cancelled = False

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        per_update = _steps_per_update(args)
        self.context.progress(
            state.global_step,
            state.max_steps,
            f"update {state.global_step // per_update} of {state.max_steps // per_update}",
        )
        if (
            state.global_step % per_update == 0
            and state.global_step < state.max_steps
            and distributed.any_rank(self.context.cancelled())
        ):
            self.cancelled = control.should_save = control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        metrics = {name: float(value) for name, value in (logs or {}).items() if name != "epoch"}
        self.context.metric(state.global_step // _steps_per_update(args), **metrics)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        assert self.trainer is not None
        for sample in self.trainer.samples[:SHOWN]:
            self.context.sample(state.global_step // _steps_per_update(args), **sample)


def _steps_per_update(args: TrainingArguments) -> int:
    return cast(PPOConfig, args).steps_per_update


def run(context: RunContext, settings: PPOSettings) -> RunResult:
    """Train and add the best policy to the store.

    Raises BadInput for settings that do not fit, Cancelled after the last checkpoint.
    """
    started = time.monotonic()
    store = context.store
    parent, reward_model = choose_start(store, settings.from_), choose_reward(store, settings.reward)
    args = make_config(settings, context.checkpoints())
    base = Base.load(parent.base, device=args.device, chat_template=parent.versions.get("chat_template"))
    report = _Report(context)
    skipped: Counter[str] = Counter()
    rows = fitting_rows(base, training_rows(store, settings.prompts), skipped)
    if not rows:
        raise BadInput(
            f"no prompt is left to train on: {', '.join(skipped)}", "Import shorter prompts.", field="prompts"
        )
    fixed = fitting_rows(
        base, as_rows(store.prompts.all(split="validation", limit=settings.validation_prompts)), skipped
    )
    trainer = PPOTrainer(
        base,
        with_uncertainty_penalty(
            load_reward(store, reward_model.public if reward_model else settings.reward, base, parent),
            settings.uncertainty,
        ),
        args,
        train_dataset=rows,
        eval_dataset=fixed,
        start=adapter_folder(store, parent) if parent.adapter else None,
        peft_config=None if parent.adapter else default_lora(settings.rank),
        guard=load_reward(store, settings.guard, base, parent) if settings.guard else None,
        callbacks=[report],
    )
    report.trainer = trainer
    if fixed and all(row["source"] == SOURCE for row in fixed):
        trainer.watch = rubric_scores
    distributed.barrier()  # until the main process has copied the checkpoint to resume from
    checkpoint = last_checkpoint(context.checkpoints())
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    if report.cancelled:
        raise Cancelled
    if distributed.rank():
        return RunResult()
    policy = _publish(context, settings, trainer, parent, reward_model)
    report_fields = _figures(trainer) | ({"skipped": dict(skipped)} if skipped else {})
    report_fields |= {"seconds": round(time.monotonic() - started, 1), "peak_mb": peak_mb()}
    return RunResult([policy.public], report_fields)


def make_config(settings: PPOSettings, folder: Path) -> PPOConfig:
    """Return the trainer's configuration, with the same minibatch in any number of processes.

    Raises BadInput for sizes that do not divide.
    """
    processes = int(os.environ.get("WORLD_SIZE", 1))  # torch's variable; the processes are not connected yet
    size, accumulated = split_minibatch(processes)
    return PPOConfig(
        str(folder),
        max_steps=settings.max_steps * settings.epochs * (settings.batch_size // MINIBATCH),
        per_device_train_batch_size=size,
        gradient_accumulation_steps=accumulated,
        learning_rate=settings.learning_rate,
        rollout_batch_size=settings.batch_size,
        num_ppo_epochs=settings.epochs,
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        missing_eos_penalty=settings.missing_eos_penalty,
        kl_coef=settings.kl_coef,
        kl_target=settings.kl_target or None,
        kl_budget=settings.kl_budget,
        critic=settings.critic,
        eval_updates=settings.validate_every,
        bf16=settings.bf16,
        use_cpu=not torch.cuda.is_available(),  # transformers accepts bf16 on a CPU only with this
        seed=settings.seed,
        disable_tqdm=True,
    )


def split_minibatch(processes: int) -> tuple[int, int]:
    """Return answers in a forward pass, and passes in an optimizer step, of each process. Raises BadInput if uneven."""
    own, rest = divmod(MINIBATCH, processes)
    if rest:
        raise BadInput(
            f"{processes} processes cannot share a minibatch of {MINIBATCH} answers evenly",
            "Start 1, 2, 4, 8, 16 or 32",
        )
    size = min(own, PASS)
    return size, own // size


def training_rows(store: Store, source: str) -> list[Row]:
    """Return rows of the train split, all or of one source. Raises BadInput if there is none, and for another split."""
    return as_rows(training_prompts(store, source))


def as_rows(prompts: list[Prompt]) -> list[Row]:
    """Return the trainer's rows: `prompt` as text or messages, and source and facts for the rubric."""
    return [
        {"prompt": prompt.messages or prompt.text, "source": prompt.source, "facts": prompt.facts} for prompt in prompts
    ]


def rubric_scores(rows: Sequence[Row], texts: Sequence[str], ended: Sequence[bool]) -> list[float]:
    """Return the rubric scores of answers to the starter's prompts, a curve that shows over-optimisation."""
    return [rubric.gold(row["facts"], text, end) for row, text, end in zip(rows, texts, ended, strict=True)]


def fitting_rows(base: Base, rows: list[Row], skipped: Counter[str]) -> list[Row]:
    """Return the rows whose prompt the base can answer; count the others in `skipped`, with the reason of the first."""
    fitting: list[Row] = []
    first: BadInput | None = None
    for row in rows:
        try:
            encode_prompt(base, row, "a row", "prompts")
            fitting.append(row)
        except BadInput as problem:
            first = first or problem
    if first:
        skipped[f"prompts that do not fit the base, such as: {first}"] += len(rows) - len(fitting)
    return fitting


def _publish(
    context: RunContext, settings: PPOSettings, trainer: PPOTrainer, parent: Policy, reward_model: RewardRecord | None
) -> Policy:
    folder = context.folder / "policy"
    trainer.base.save_adapter(POLICY, folder)
    policy = context.store.policies.publish(
        folder,
        name=f"ppo of {context.run.public}",
        kind="ppo",
        base=parent.base,
        parent_id=parent.id,
        reward_model_id=reward_model and reward_model.id,
        snapshot_id=reward_model and reward_model.snapshot_id,
        run_id=context.run.id,
        seed=settings.seed,
        config=as_dict(settings),
        versions=library_versions()
        | {"fingerprint": trainer.base.fingerprint, "chat_template": trainer.base.tokenizer.chat_template},
    )
    shutil.rmtree(context.checkpoints())
    return policy


def _figures(trainer: PPOTrainer) -> dict[str, Any]:
    """Return the report: why the run ended, the best policy's update, reward and KL, and both of every rollout.

    `gold_per_look`, if the rubric scored: updates, and the mean rubric score of the validation after them.
    `guard`: the guard's mean at the best policy.
    """
    history, best = trainer.state.log_history, trainer.best
    assert best is not None  # the start is always within the budget
    rollouts = [log for log in history if "rollout_seconds" in log]
    gold = [(log["step"] // trainer.args.steps_per_update, log["eval_gold"]) for log in history if "eval_gold" in log]
    guard = trainer.guard.state.kept if trainer.guard else None
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
