# SPDX-License-Identifier: Apache-2.0
"""Rejection sampling: a fresh LoRA imitates the best of n answers to each prompt, by a reward.

Several rounds are expert iteration: each samples from the newest policy and trains from the start again, so errors do
not accumulate (as ReST-EM, Singh et al. 2023). Answers are trained as the sampled token ids.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from data.records import Policy, Prompt, Snapshot
from data.run_context import Cancelled, RunContext, RunResult
from data.settings import as_dict
from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from reward.base.machine import peak_mb
from reward.base.text.unusable_prompts import SkippedPrompts
from reward.training.callback import Progress, newest_checkpoint
from rlhf.common.metrics import best_of_n_kl
from rlhf.methods.answer_samplers import BestOfN
from rlhf.methods.chosen_answers import ChosenAnswer, draw_chosen, training_rows, write_chosen
from rlhf.methods.sft import build_trainer
from rlhf.models.finetuning import lora_model, merge_parent, publish_policy, save_trained_adapter
from rlhf.models.policy_loading import Bases, adapter_folder
from rlhf.models.reward_choice import load_reward
from rlhf.models.reward_sources import choose_reward
from rlhf.models.start_policy import choose_start
from rlhf.ppo.reward_shaping import Scorer
from rlhf.sampling.pairing import training_prompts
from rlhf.sampling.rollout_sampler import Sampler
from rlhf.sampling.served.opening import open_sampler, sampler_report
from rlhf.settings import RejectionSettings

CURVES = {"loss": "loss", "grad_norm": "grad_norm", "learning_rate": "learning_rate"}
SHOWN_ANSWERS = 4
"""Number of answers per round on the run's page."""
NEWEST = "newest"
"""Role of the adapter that the previous round trained."""
CHUNK = 4
"""Batches of answers between two checks for cancellation; a finished chunk is saved."""


@dataclass(frozen=True, slots=True)
class RejectionStart:
    """Inputs of every round: the parent, its adapter's folder, the reward's name, shuffled prompts, what samples."""

    parent: Policy
    adapter: Path | None
    reward: str
    prompts: list[Prompt]
    source: Sampler


def run(context: RunContext, settings: RejectionSettings) -> RunResult:
    """Sample, choose and imitate for each round; resumes in the round and step in which it stopped.

    Raises BadInput if there is nothing to start from, and Cancelled after saving.
    """
    with open_sampler(context, settings) as source:
        return _run(context, settings, source)


def _run(context: RunContext, settings: RejectionSettings, source: Sampler) -> RunResult:
    started = time.monotonic()
    store = context.store
    parent, judge = choose_start(store, settings.from_), choose_reward(store, settings.reward)
    prompts = training_prompts(store, settings.prompts, settings.last_prompt)
    random.Random(settings.seed).shuffle(prompts)
    start = RejectionStart(
        parent,
        adapter_folder(store, parent) if parent.adapter else None,
        judge.public if judge else settings.reward,
        prompts,
        source,
    )
    newest, rounds = start.adapter, list[dict[str, Any]]()
    skipped = SkippedPrompts(Counter())
    for number in range(settings.rounds):
        rows = _sample_round(context, settings, start, number, newest, skipped)
        snapshot = context.once(partial(_freeze_round, context, rows, number))
        rounds.append({"snapshot": snapshot.public} | _round_figures(context, rows, number))
        newest, base = _imitate(context, settings, start, number, rows)
    assert newest is not None, "settings ask for at least one round"
    finished = newest
    policy = context.once(
        lambda: publish_policy(
            context,
            finished.rename(context.folder / "adapter"),
            "rejection",
            parent,
            base,
            reward_model_id=judge and judge.id,
            snapshot_id=snapshot.id,
            seed=settings.seed,
            config=as_dict(settings) | {"reward": start.reward},
        )
    )
    report = {"rounds": rounds, "reward_start": rounds[0]["reward"], "best_of_n_kl_bound": best_of_n_kl(settings.n)}
    cost = {"seconds": round(time.monotonic() - started, 1), "peak_mb": peak_mb()}
    report |= ({"skipped": dict(skipped.counts)} if skipped.counts else {}) | sampler_report(source)
    return RunResult([policy.public], report | cost | {"placement": base.placement.describe()})


def _sample_round(
    context: RunContext,
    settings: RejectionSettings,
    start: RejectionStart,
    number: int,
    newest: Path | None,
    skipped: SkippedPrompts,
) -> list[ChosenAnswer]:
    """Return the best of n answers of the newest policy to each of the round's prompts.

    Saved chunks are not drawn again. Raises BadInput if no prompt can be answered, or no answer ended.
    """
    folder = _round(context, number) / "answers"
    context.once(lambda: folder.mkdir(parents=True, exist_ok=True))
    prompts = round_prompts(start.prompts, number * settings.prompts_per_round, settings.prompts_per_round)
    size = max(1, CHUNK * settings.batch_size // settings.n)
    chunks = [prompts[first : first + size] for first in range(0, len(prompts), size)]
    sampler: BestOfN | None = None
    rows: list[ChosenAnswer] = []
    for place, chunk in enumerate(chunks):
        file = folder / f"{place}.json"
        if not file.is_file():
            if context.cancelled():
                raise Cancelled
            sampler = sampler or _load_sampler(context, settings, start, newest)
            chosen = draw_chosen(sampler, settings, chunk, number, skipped)
            context.once(partial(write_chosen, file, chosen))
        rows += json.loads(file.read_text(encoding="utf-8"))
        context.progress(place + 1, len(chunks), f"chunks of answers, round {number + 1} of {settings.rounds}")
    if not rows and skipped.first:
        raise skipped.first
    if not any(row["ended"] for row in rows):
        raise bad_input(
            "refused.no_end", field="max_new_tokens", count=len(rows), max_new_tokens=settings.max_new_tokens
        )
    return rows


def round_prompts(prompts: Sequence[Prompt], first: int, count: int) -> list[Prompt]:
    """Return `count` prompts from index `first` on, cyclically; none occurs twice."""
    return [prompts[(first + place) % len(prompts)] for place in range(min(count, len(prompts)))]


def _load_sampler(
    context: RunContext, settings: RejectionSettings, start: RejectionStart, newest: Path | None
) -> BestOfN:
    base = Bases(settings).of(start.parent)
    if newest:
        base.add_adapter(NEWEST, newest)
    scorer = Scorer(base, load_reward(context.store, start.reward, base, start.parent), missing_eos_penalty=0.0)
    role = NEWEST if newest else None
    with base.role(role):
        start.source.publish(base)
    return BestOfN(start.parent, base, role, scorer, context.store.prompts.get, settings.n, sampler=start.source)


def _freeze_round(context: RunContext, rows: Sequence[ChosenAnswer], number: int) -> Snapshot:
    """Freeze the round's answers as a snapshot of instruction rows."""
    instruction_rows = [
        {
            "instruction": context.store.prompts.get(row["prompt_id"]).text,
            "input": "",
            "output": row["output"],
            "reward": row["reward"],
        }
        for row in rows
        if row["ended"]
    ]
    return context.store.snapshots.freeze(
        "instructions", instruction_rows, {"run": context.run.public, "round": number + 1}
    )


def _round_figures(context: RunContext, rows: Sequence[ChosenAnswer], number: int) -> dict[str, float]:
    """Return a round's figures: mean reward of all and of the chosen answers, and chosen ones without an end."""
    figures = {
        "reward": math.fsum(row["mean"] for row in rows) / len(rows),
        "best_reward": math.fsum(row["reward"] for row in rows) / len(rows),
    }
    context.metric(number + 1, sampled_reward=figures["reward"], best_reward=figures["best_reward"])
    for row in rows[:SHOWN_ANSWERS]:
        context.sample(
            number + 1,
            prompt=context.store.prompts.get(row["prompt_id"]).text,
            text=row["output"],
            reward=row["reward"],
        )
    return figures | {"rows": sum(row["ended"] for row in rows), "without_end": sum(not row["ended"] for row in rows)}


def _imitate(
    context: RunContext, settings: RejectionSettings, start: RejectionStart, number: int, rows: Sequence[ChosenAnswer]
) -> tuple[Path, Base]:
    """Return the folder of the round's adapter, parent included, and its base.

    Raises Cancelled after saving a checkpoint.
    """
    folder, base = _round(context, number), Bases(settings).of(start.parent)
    done = folder / "adapter"
    if done.is_dir():
        return done, base
    trainer = build_trainer(folder / "trainer", settings, merge_parent(base, start.adapter), base, training_rows(rows))
    progress = Progress(context, CURVES, f"steps, round {number + 1} of {settings.rounds}", number, settings.rounds)
    trainer.add_callback(progress)
    trainer.train(resume_from_checkpoint=newest_checkpoint(trainer.args.output_dir))
    if progress.stopped:
        raise Cancelled
    context.once(lambda: save_trained_adapter(lora_model(trainer), folder / "draft", start.adapter).rename(done))
    return done, base


def _round(context: RunContext, number: int) -> Path:
    return context.checkpoints() / f"round-{number}"
