"""A PPO run: from a policy and a reward model in the store to a new policy in the store."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState

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
SHOWN = 4  # samples kept of each look at the validation prompts


class _Report(TrainerCallback):
    """Curves by update, samples beside the reference's, progress; a cancelled run stops at the end of its update, which is saved."""

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.trainer: PPOTrainer | None = None
        self.cancelled = False

    def on_step_end(self, args: PPOConfig, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        per_update = args.steps_per_update
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
        self, args: PPOConfig, state: TrainerState, control: TrainerControl, logs: dict[str, float], **_: Any
    ) -> None:
        self.context.metric(
            state.global_step // args.steps_per_update,
            **{name: float(value) for name, value in logs.items() if name != "epoch"},
        )

    def on_evaluate(self, args: PPOConfig, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        for sample in self.trainer.samples[:SHOWN]:
            self.context.sample(state.global_step // args.steps_per_update, **sample)


def run(context: RunContext, settings: PPOSettings) -> RunResult:
    """Train and add the best policy to the store. Raises BadInput for settings that do not fit, Cancelled after saving."""
    started = time.monotonic()
    store = context.store
    parent, judge = choose_start(store, settings.from_), choose_reward(store, settings.reward)
    args = make_config(settings, context.checkpoints())
    base = Base.load(parent.base, device=args.device, chat_template=parent.versions.get("chat_template"))
    report, left_out = _Report(context), Counter()
    rows = fitting_rows(base, training_rows(store, settings.prompts), left_out)
    if not rows:
        raise BadInput(
            f"nothing is left to train on: {', '.join(left_out)}", "Import shorter prompts.", field="prompts"
        )
    fixed = fitting_rows(
        base, as_rows(store.prompts.all(split="validation", limit=settings.validation_prompts)), left_out
    )
    trainer = PPOTrainer(
        base,
        with_uncertainty_penalty(
            load_reward(store, judge.public if judge else settings.reward, base, parent), settings.uncertainty
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
    distributed.barrier()  # the main process has brought what the run goes on from
    found = last_checkpoint(context.checkpoints())
    trainer.train(resume_from_checkpoint=found and str(found))
    if report.cancelled:
        raise Cancelled
    if distributed.rank():
        return RunResult()
    policy = _publish(context, settings, trainer, parent, judge)
    told = _figures(trainer) | ({"skipped": dict(left_out)} if left_out else {})
    return RunResult([policy.public], told | {"seconds": round(time.monotonic() - started, 1), "peak_mb": peak_mb()})


def make_config(settings: PPOSettings, folder: Path) -> PPOConfig:
    """The trainer's configuration: the same minibatch in any number of processes. Raises BadInput for sizes that do not divide."""
    size, accumulated = split_minibatch(
        int(os.environ.get("WORLD_SIZE", 1))
    )  # torch's name for the number of processes; none is connected yet
    arguments = PPOConfig(
        str(folder),
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
        use_cpu=not torch.cuda.is_available(),  # transformers takes bf16 on a CPU only where this is said
        seed=settings.seed,
        disable_tqdm=True,
    )
    arguments.max_steps = settings.max_steps * arguments.steps_per_update
    return arguments


def split_minibatch(processes: int) -> tuple[int, int]:
    """How each of so many processes cuts its share of a minibatch: answers in a forward pass, and passes. Raises BadInput for an uneven one."""
    own, rest = divmod(MINIBATCH, processes)
    if rest:
        raise BadInput(
            f"{processes} processes cannot share a minibatch of {MINIBATCH} answers evenly",
            "Start 1, 2, 4, 8, 16 or 32",
        )
    size = min(own, PASS)
    return size, own // size


def training_rows(store: Store, source: str) -> list[dict[str, Any]]:
    """The trainer's rows of the train split, all or of one source. Raises BadInput where there is none, and for another split."""
    return as_rows(training_prompts(store, source))


def as_rows(prompts: list[Prompt]) -> list[dict[str, Any]]:
    """The trainer's rows: `prompt` as text or messages, and source and facts for whoever watches."""
    return [
        {"prompt": prompt.messages or prompt.text, "source": prompt.source, "facts": prompt.facts} for prompt in prompts
    ]


def rubric_scores(rows: Sequence[dict[str, Any]], texts: Sequence[str], ended: Sequence[bool]) -> list[float]:
    """What the rubric says of answers to the starter's prompts: a curve beside the reward's, by which over-optimisation is seen."""
    return [rubric.gold(row["facts"], text, end) for row, text, end in zip(rows, texts, ended, strict=True)]


def fitting_rows(base: Base, rows: list[dict[str, Any]], left_out: Counter[str]) -> list[dict[str, Any]]:
    """The rows whose prompt the base can answer; the others are counted, with the reason of the first."""
    kept, first = [], None
    for row in rows:
        try:
            encode_prompt(base, row, "a row", "prompts")
            kept.append(row)
        except BadInput as problem:
            first = first or problem
    if first:
        left_out[f"prompts that do not fit the base, such as: {first}"] += len(rows) - len(kept)
    return kept


def _publish(
    context: RunContext, settings: PPOSettings, trainer: PPOTrainer, parent: Policy, judge: RewardRecord | None
) -> Policy:
    folder = context.folder / "policy"
    trainer.base.save_adapter(POLICY, folder)
    policy = context.store.policies.publish(
        folder,
        name=f"ppo of {context.run.public}",
        kind="ppo",
        base=parent.base,
        parent_id=parent.id,
        reward_model_id=judge and judge.id,
        snapshot_id=judge and judge.snapshot_id,
        run_id=context.run.id,
        seed=settings.seed,
        config=as_dict(settings),
        versions=library_versions()
        | {"fingerprint": trainer.base.fingerprint, "chat_template": trainer.base.tokenizer.chat_template},
    )
    shutil.rmtree(context.checkpoints())
    return policy


def _figures(trainer: PPOTrainer) -> dict[str, Any]:
    """Why the run ended, KL of the kept policy on validation prompts, after how many updates it was kept, KL and reward of every rollout.

    `gold_per_look`, where the rubric watched: updates, and mean gold of the answers to the validation prompts after them.
    """
    looks = [
        (log["step"] // trainer.args.steps_per_update, log["eval_gold"])
        for log in trainer.state.log_history
        if "eval_gold" in log
    ]
    rollouts = [log for log in trainer.state.log_history if "rollout_seconds" in log]
    best = trainer.best
    guard = {"guard": trainer.guard.state.kept.mean} if trainer.guard else {}
    return (
        guard
        | ({"gold_per_look": looks} if looks else {})
        | {
            "end": trainer.end or "all updates are done",
            "kl": best.kl,
            "reward": best.reward,
            "checkpoint": best.update,
            "kl_per_step": [log["kl"] for log in rollouts],
            "reward_per_step": [log["reward"] for log in rollouts],
        }
    )
