"""Rejection sampling: a policy answers each prompt n times, and a fresh LoRA imitates the answers that a reward likes best.

Several rounds are expert iteration: each samples from the newest policy, and trains from the start again, so that what a round
learned wrongly is not carried on (as ReST-EM does, Singh et al. 2023). Answers are trained as the token ids that were sampled.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers.trainer_utils import get_last_checkpoint

from data.errors import BadInput
from data.records import Policy, Prompt, Snapshot
from data.run_context import Cancelled, RunContext, RunResult
from data.settings import as_dict
from reward.base.frozen_base import Base
from reward.base.machine import peak_mb
from reward.training.callback import Progress
from rlhf.common.metrics import best_of_n_kl
from rlhf.methods.answer_samplers import BestOfN
from rlhf.methods.sft import build_trainer
from rlhf.models.finetuning import merge_parent, publish_policy, save_trained_adapter
from rlhf.models.policy_loading import Bases, adapter_folder
from rlhf.models.reward_choice import choose_reward, load_reward
from rlhf.models.start_policy import choose_start
from rlhf.ppo.reward_shaping import Scorer
from rlhf.sampling.pairing import training_prompts
from rlhf.sampling.policy_answers import DrawRequest, SamplingLimits
from rlhf.settings import RejectionSettings

CURVES = {"loss": "loss", "grad_norm": "grad_norm", "learning_rate": "learning_rate"}
SHOWN = 4
APART = 2**32
"""Numbers of answers that no sampling run reaches: what is imitated is not what was labeled."""
CHUNK = 4
"""Batches of answers between two looks at whether to stop; what a chunk drew is kept."""


@dataclass(frozen=True, slots=True)
class RejectionStart:
    """What every round begins with: the parent, its adapter's folder, the reward's name, and the prompts in the order of the seed."""

    parent: Policy
    adapter: Path | None
    reward: str
    prompts: list[Prompt]


def run(context: RunContext, settings: RejectionSettings) -> RunResult:
    """Sample, choose, imitate, as many rounds as asked for; goes on in the round, and the step, in which it was stopped.

    Raises BadInput where there is nothing to start from, Cancelled after saving.
    """
    started = time.monotonic()
    store = context.store
    parent, judge = choose_start(store, settings.from_), choose_reward(store, settings.reward)
    prompts = training_prompts(store, settings.prompts)
    random.Random(settings.seed).shuffle(prompts)
    start = RejectionStart(
        parent,
        adapter_folder(store, parent) if parent.adapter else None,
        judge.public if judge else settings.reward,
        prompts,
    )
    newest, rounds = start.adapter, []
    for number in range(settings.rounds):
        rows = _sample_round(context, settings, start, number, newest)
        snapshot = _freeze_round(context, rows, number)
        rounds.append({"snapshot": snapshot.public} | _round_figures(context, rows, number))
        newest, base = _imitate(context, settings, start, number, rows)
    finished = newest.rename(context.folder / "adapter")
    policy = publish_policy(
        context,
        finished,
        "rejection",
        parent,
        base,
        reward_model_id=judge and judge.id,
        snapshot_id=snapshot.id,
        seed=settings.seed,
        config=as_dict(settings) | {"reward": start.reward},
    )
    report = {"rounds": rounds, "reward_start": rounds[0]["reward"], "best_of_n_kl_bound": best_of_n_kl(settings.n)}
    return RunResult([policy.public], report | {"seconds": round(time.monotonic() - started, 1), "peak_mb": peak_mb()})


def _sample_round(
    context: RunContext, settings: RejectionSettings, start: RejectionStart, number: int, newest: Path | None
) -> list[dict[str, Any]]:
    """The best of n answers of the newest policy to each of the round's prompts, chunk by chunk; chunks that are kept are not drawn again."""
    folder = _round(context, number) / "answers"
    folder.mkdir(parents=True, exist_ok=True)
    prompts = round_prompts(start.prompts, number * settings.prompts_per_round, settings.prompts_per_round)
    size = max(1, CHUNK * settings.batch_size // settings.n)
    chunks = [prompts[first : first + size] for first in range(0, len(prompts), size)]
    sampler: BestOfN | None = None
    rows: list[dict[str, Any]] = []
    for place, chunk in enumerate(chunks):
        file = folder / f"{place}.json"
        if not file.is_file():
            if context.cancelled():
                raise Cancelled
            sampler = sampler or _load_sampler(context, settings, start, newest)
            _write(file, _draw(sampler, settings, chunk, number))
        rows += json.loads(file.read_text(encoding="utf-8"))
        context.progress(place + 1, len(chunks), f"chunks of answers, round {number + 1} of {settings.rounds}")
    if not any(row["ended"] for row in rows):
        raise BadInput(
            "no answer came to its end, so there is nothing to imitate", "Allow longer ones.", field="max_new_tokens"
        )
    return rows


def round_prompts(prompts: Sequence[Prompt], first: int, count: int) -> list[Prompt]:
    """So many prompts from a place on, from the beginning again behind the last; none of them twice."""
    return [prompts[(first + place) % len(prompts)] for place in range(min(count, len(prompts)))]


def _load_sampler(
    context: RunContext, settings: RejectionSettings, start: RejectionStart, newest: Path | None
) -> BestOfN:
    base = Bases().of(start.parent)
    role = "newest" if newest else None
    if newest:
        base.add_adapter(role, newest)
    scorer = Scorer(base, load_reward(context.store, start.reward, base, start.parent), missing_eos_penalty=0.0)
    return BestOfN(start.parent, base, role, scorer, context.store.prompts.get, settings.n)


def _draw(
    sampler: BestOfN, settings: RejectionSettings, prompts: Sequence[Prompt], number: int
) -> list[dict[str, Any]]:
    """A row per prompt that leaves room for an answer: the best answer, its score, and the mean score of all n."""
    wanted = []
    for prompt in prompts:
        try:
            ids = sampler.base.encoding.template(prompt.messages or prompt.text)
        except BadInput:  # several turns, for a base without a chat template
            continue
        if len(ids) + settings.max_new_tokens < sampler.base.context:
            wanted.append(DrawRequest(prompt.id, ids, APART + number))
    answers, scores = sampler.draw_scored(
        wanted, SamplingLimits(settings.max_new_tokens, settings.batch_size), settings.seed
    )
    rows = []
    for one, drawn, row in zip(wanted, answers, scores, strict=True):
        best = drawn[row.argmax()]
        rows.append(
            {
                "prompt_id": one.prompt_id,
                "prompt_ids": one.prompt_ids,
                "ids": best.ids,
                "output": best.text,
                "ended": best.ended,
                "reward": float(row.max()),
                "mean": float(row.mean()),
            }
        )
    return rows


def _freeze_round(context: RunContext, rows: Sequence[dict[str, Any]], number: int) -> Snapshot:
    """What the round imitates, as a snapshot of instruction rows."""
    kept = [
        {
            "instruction": context.store.prompts.get(row["prompt_id"]).text,
            "input": "",
            "output": row["output"],
            "reward": row["reward"],
        }
        for row in rows
        if row["ended"]
    ]
    return context.store.snapshots.freeze("instructions", kept, {"run": context.run.public, "round": number + 1})


def _round_figures(context: RunContext, rows: Sequence[dict[str, Any]], number: int) -> dict[str, float]:
    """A round in figures: mean reward of all answers and of the chosen ones, and how many chosen ones had no end and were left out."""
    figures = {
        "reward": math.fsum(row["mean"] for row in rows) / len(rows),
        "best_reward": math.fsum(row["reward"] for row in rows) / len(rows),
    }
    context.metric(number + 1, sampled_reward=figures["reward"], best_reward=figures["best_reward"])
    for row in rows[:SHOWN]:
        context.sample(
            number + 1,
            prompt=context.store.prompts.get(row["prompt_id"]).text,
            text=row["output"],
            reward=row["reward"],
        )
    return figures | {"rows": sum(row["ended"] for row in rows), "without_end": sum(not row["ended"] for row in rows)}


def _imitate(
    context: RunContext, settings: RejectionSettings, start: RejectionStart, number: int, rows: Sequence[dict[str, Any]]
) -> tuple[Path, Base]:
    """The folder of the round's adapter, the parent's included, and the base it was trained on. Raises Cancelled after a checkpoint."""
    folder, base = _round(context, number), Bases().of(start.parent)
    done = folder / "adapter"
    if done.is_dir():
        return done, base
    trainer = build_trainer(folder / "trainer", settings, merge_parent(base, start.adapter), base, _dataset(rows))
    progress = Progress(context, CURVES, f"steps, round {number + 1} of {settings.rounds}", number, settings.rounds)
    trainer.add_callback(progress)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(trainer.args.output_dir))
    if progress.stopped:
        raise Cancelled
    save_trained_adapter(trainer.model, folder / "draft", start.adapter).rename(done)
    return done, base


def _dataset(rows: Sequence[dict[str, Any]]) -> Dataset:
    return Dataset.from_list(
        [
            {"input_ids": row["prompt_ids"] + row["ids"], "labels": [-100] * len(row["prompt_ids"]) + row["ids"]}
            for row in rows
            if row["ended"]
        ]
    )


def _round(context: RunContext, number: int) -> Path:
    return context.checkpoints() / f"round-{number}"


def _write(file: Path, rows: list[dict[str, Any]]) -> None:
    """All of the file or nothing of it."""
    draft = file.with_suffix(".part")
    draft.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    draft.rename(file)
