# SPDX-License-Identifier: Apache-2.0
"""A PPO run: from a policy and a reward model in the store to a new policy in the store."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import fields
from pathlib import Path

from data.errors import BadInput
from data.records import Policy
from data.records import RewardModel as RewardRecord
from data.run_context import Cancelled, RunContext, RunResult
from data.settings import as_dict
from data.starter import SOURCE
from labeling.texts.pages import bad_input
from reward.base import distributed
from reward.base.frozen_base import Base
from reward.base.lora_targets import lora_of
from reward.base.machine import library_versions, peak_mb
from reward.base.memory import bytes_per_token, tokens_per_pass
from reward.base.out_of_memory import halved
from reward.base.placement import Placement, check_cpu_bfloat16, placement_on
from reward.model import RewardModel
from reward.placement_settings import SHARDED
from rlhf.models.policy_loading import adapter_folder, check_template_set, template_options
from rlhf.models.reward_choice import load_reward, with_uncertainty_penalty
from rlhf.models.reward_sources import choose_reward
from rlhf.models.start_policy import choose_start
from rlhf.ppo.checkpoint import last_checkpoint
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.people.early_stop import PeopleStop
from rlhf.ppo.people.panel import Panel
from rlhf.ppo.prompt_rows import as_rows, fitting_rows, training_rows
from rlhf.ppo.roles import POLICY
from rlhf.ppo.run_record import RunRecorder, report_figures, rubric_scores
from rlhf.ppo.settings import PPOSettings
from rlhf.ppo.trainer import PPOTrainer

PASS = 16
"""Most answers in a training pass whose size is automatic."""
OFF_AT_0 = ("kl_target", "reward_clip", "cliprange_value", "dual_clip", "target_kl", "importance_cap")
"""Settings that the trainer's configuration calls None if they are 0."""
SAME_NAME = {setting.name for setting in fields(PPOConfig)} & PPOSettings.model_fields.keys() - {
    "max_steps",
    "gradient_checkpointing",
    *OFF_AT_0,
}
"""Settings that have the same name and value in the trainer's configuration."""


def run(context: RunContext, settings: PPOSettings) -> RunResult:
    """Train and add the best policy to the store.

    Raises BadInput for settings that do not fit, Cancelled after the last checkpoint.
    """
    started = time.monotonic()
    parent, reward_model = choose_start(context.store, settings.from_), choose_reward(context.store, settings.reward)
    recorder = RunRecorder(context)
    skipped: Counter[str] = Counter()
    trainer = _make_trainer(context, settings, parent, reward_model, recorder, skipped)
    checkpoint = last_checkpoint(context.checkpoints())
    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    finally:
        if recorder.people and not distributed.rank():
            recorder.people.panel.close()
    if recorder.cancelled:
        raise Cancelled
    policy = context.once(lambda: _publish(context, settings, trainer, parent, reward_model))
    report = report_figures(trainer) | ({"skipped": dict(skipped)} if skipped else {})
    if recorder.people:
        report |= {"people": recorder.people.panel.read().report()}
    cost = {"seconds": round(time.monotonic() - started, 1), "peak_mb": peak_mb()}
    return RunResult([policy.public], report | cost | {"placement": trainer.base.placement.describe()})


def _make_trainer(
    context: RunContext,
    settings: PPOSettings,
    parent: Policy,
    reward_model: RewardRecord | None,
    recorder: RunRecorder,
    skipped: Counter[str],
) -> PPOTrainer:
    """Load models and prompts and return their trainer. Counts prompts that do not fit the base in `skipped`.

    The rubric scores the validation if all of its prompts are the starter's: other prompts have other facts.
    """
    store, device = context.store, make_config(settings, context.checkpoints()).device
    options = template_options(parent, settings).keywords()
    base = Base.load(parent.base, placement=placement_on(device, settings), **options)
    check_template_set(base, settings)
    reward = load_reward(store, reward_model.public if reward_model else settings.reward, base, parent)
    guard = load_reward(store, settings.guard_name, base, parent) if settings.guard_name else None
    readers = [base, *(model.base for model in (reward, guard) if isinstance(model, RewardModel))]
    rows = fitting_rows(readers, training_rows(store, settings.prompts, settings.last_prompt), skipped)
    if not rows:
        raise bad_input("need.fitting_prompts", field="prompts", skipped=", ".join(skipped))
    limit, last = settings.validation_prompts, settings.last_prompt
    fixed_prompts = store.prompts.all(split="validation", limit=limit, last=last)
    fixed_rows = fitting_rows(readers, as_rows(fixed_prompts), skipped)
    if settings.people and not fixed_rows:
        raise bad_input("need.validation_prompts", field="people", people=settings.people)
    longest = max(len(base.encode_prompt(row["prompt"])) for row in rows + fixed_rows) + settings.max_new_tokens
    args = make_config(settings, context.checkpoints(), rows_in_memory(settings, base, longest))
    if settings.people:
        recorder.people = PeopleStop(context, _panel(context, settings, parent))
    trainer = PPOTrainer(
        base,
        with_uncertainty_penalty(reward, settings.uncertainty),
        args,
        train_dataset=rows,
        eval_dataset=fixed_rows,
        start=adapter_folder(store, parent) if parent.adapter else None,
        peft_config=None if parent.adapter else lora_of(base.causal, settings),
        guard=guard,
        callbacks=[recorder, *([recorder.people] if recorder.people else [])],
    )
    recorder.trainer = trainer
    if recorder.people:
        recorder.people.connect(trainer)
    if fixed_rows and all(row["source"] == SOURCE for row in fixed_rows):
        trainer.watch = rubric_scores
    return trainer


def _panel(context: RunContext, settings: PPOSettings, start: Policy) -> Panel:
    """Return the queue of the pairs that the run asks people about."""
    sampling = {"temperature": settings.temperature, "max_new_tokens": settings.max_new_tokens}
    first = context.store.runs.lineage(context.run)[0].id
    every = settings.validate_every
    looks = range(every, settings.max_steps + every, every)
    return Panel(context.store, first, start, settings.people, sampling, settings.seed, looks)


def rows_in_memory(settings: PPOSettings, base: Base, longest: int) -> int:
    """Return how many answers of up to `longest` tokens, prompt included, a training pass may hold in every process."""
    if settings.per_device_batch_size:
        return halved(settings.per_device_batch_size)
    cost = bytes_per_token(base, gradients=True, checkpointing=settings.gradient_checkpointing)
    rows = max(1, min(halved(PASS), tokens_per_pass(base, cost) // longest))
    return min(distributed.all_gather(rows))


def make_config(settings: PPOSettings, folder: Path, rows: int = PASS) -> PPOConfig:
    """Return the trainer's configuration, with the same minibatch in any number of processes, `rows` in a pass at most.

    Raises BadInput for sizes that do not divide.
    """
    size, accumulated = split_minibatch(settings.minibatch, distributed.world_size(), rows)
    options = {name: value for name, value in settings if name in SAME_NAME}
    options |= {name: getattr(settings, name) or None for name in OFF_AT_0}
    device = Placement.choose(settings).device
    if settings.bf16 and device.type == "cpu":
        check_cpu_bfloat16()
    return PPOConfig(
        str(folder),
        **options,
        activation_checkpointing=settings.gradient_checkpointing,  # the trainer's name since transformers 5
        max_steps=settings.max_steps * settings.epochs * (settings.batch_size // settings.minibatch),
        per_device_train_batch_size=size,
        gradient_accumulation_steps=accumulated,
        rollout_batch_size=settings.batch_size,
        num_ppo_epochs=settings.epochs,
        eval_updates=settings.validate_every,
        warmup_steps=settings.warmup,
        shard_base=settings.strategy == SHARDED,
        use_cpu=device.type == "cpu",  # transformers accepts bf16 on a CPU only with this
        disable_tqdm=True,
    )


def split_minibatch(minibatch: int, processes: int, rows: int) -> tuple[int, int]:
    """Return (answers in a forward pass, at most `rows`; passes in an optimizer step) for each of the processes.

    Raises BadInput if they cannot share a minibatch evenly.
    """
    own, rest = divmod(minibatch, processes)
    if rest:
        raise BadInput(
            f"{processes} processes cannot share a minibatch of {minibatch} answers evenly",
            "Start a number of processes that divides it, or change minibatch.",
            field="minibatch",
        )
    size = next(size for size in range(min(own, rows), 0, -1) if own % size == 0)
    return size, own // size


def _publish(
    context: RunContext, settings: PPOSettings, trainer: PPOTrainer, parent: Policy, reward_model: RewardRecord | None
) -> Policy:
    """Add the trained policy to the store, with its parents, settings and versions; drop the run's checkpoints."""
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
        | {"fingerprint": trainer.base.fingerprint}
        | trainer.base.template_options.keywords(),
    )
    shutil.rmtree(context.checkpoints())
    return policy
