# SPDX-License-Identifier: Apache-2.0
"""Best-of-n: a policy draws n answers, and its answer is the one with the highest reward.

It has its parent's weights and stores the name of its reward. It can be sampled and compared like any other policy. Its
KL from the parent is at most log n - (n - 1) / n (Beirami et al. 2024), with equality if no two answers are equal.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np

from data.errors import BadInput
from data.run_context import Cancelled, RunContext, RunResult
from data.settings import as_dict
from reward.base.distributed import map_shards, world_size
from reward.base.machine import library_versions, peak_mb
from reward.base.text.unusable_prompts import SkippedPrompts
from rlhf.common.metrics import best_of_n_kl, expected_best
from rlhf.methods.answer_samplers import BestOfN
from rlhf.models.policy_loading import Bases
from rlhf.models.reward_choice import load_reward
from rlhf.models.reward_sources import choose_reward
from rlhf.models.start_policy import BEST_OF_N, choose_start
from rlhf.ppo.reward_shaping import Scorer
from rlhf.sampling.policy_answers import AnswerSampler, DrawRequest, SamplingLimits
from rlhf.sampling.rollout_sampler import Sampler
from rlhf.sampling.served.opening import open_sampler, sampler_report
from rlhf.settings import BestOfNSettings


def run(context: RunContext, settings: BestOfNSettings) -> RunResult:
    """Measure how the reward rises with n on validation prompts, then store the policy.

    Raises Cancelled before anything is stored.
    """
    with open_sampler(context, settings) as source:
        return _run(context, settings, source)


def _run(context: RunContext, settings: BestOfNSettings, source: Sampler) -> RunResult:
    started = time.monotonic()
    store = context.store
    parent, judge = choose_start(store, settings.from_), choose_reward(store, settings.reward)
    name = judge.public if judge else settings.reward
    sampler = AnswerSampler.load(store, Bases(settings), parent, source)
    scorer = Scorer(sampler.base, load_reward(store, name, sampler.base, parent), missing_eos_penalty=0.0)
    best_of_n = BestOfN(parent, sampler.base, sampler.role, scorer, store.prompts.get, settings.n, sampler=source)
    skipped = SkippedPrompts(Counter())
    scores = _measure(context, settings, best_of_n, skipped)
    policy = context.once(
        lambda: store.policies.add(
            name=f"best of {settings.n} of {parent.public} by {name}",
            kind=BEST_OF_N,
            base=parent.base,
            adapter=parent.adapter,
            parent_id=parent.id,
            reward_model_id=judge.id if judge else None,
            snapshot_id=judge.snapshot_id if judge else None,
            run_id=context.run.id,
            seed=settings.seed,
            config=as_dict(settings) | {"reward": name},
            versions=library_versions() | sampler.base.template_options.keywords(),
        )
    )
    report: dict[str, Any] = {"n": settings.n, "kl_bound": best_of_n_kl(settings.n)}
    if len(scores):
        report |= {
            "reward_start": expected_best(scores, 1),
            "reward_best": expected_best(scores, settings.n),
            "prompts": len(scores),
        }
    cost = {"seconds": round(time.monotonic() - started, 1), "peak_mb": peak_mb()}
    report |= ({"skipped": dict(skipped.counts)} if skipped.counts else {}) | sampler_report(source)
    return RunResult([policy.public], report | cost | {"placement": sampler.base.placement.describe()})


def _measure(context: RunContext, settings: BestOfNSettings, sampler: BestOfN, skipped: SkippedPrompts) -> np.ndarray:
    """Return the scores (prompts, n) of n answers to validation prompts; add the curve over n to the run.

    Prompts that do not fit are counted in `skipped`.
    """
    limit, last = settings.validation_prompts, settings.last_prompt
    prompts = context.store.prompts.all(split="validation", limit=limit, last=last)
    limits = SamplingLimits(settings.max_new_tokens, settings.batch_size)
    requests: list[DrawRequest] = []
    for prompt in prompts:
        try:
            requests.append(DrawRequest(prompt.id, sampler.encode(prompt), 0))
        except BadInput as problem:
            skipped.add(problem)
    if prompts and not requests and skipped.first:
        raise skipped.first
    size, processes = max(1, settings.batch_size // settings.n), world_size()

    def score_shard(own: list[DrawRequest]) -> list[np.ndarray]:
        rows: list[np.ndarray] = []
        for start in range(0, len(own), size):
            if context.cancelled():
                raise Cancelled
            rows += list(sampler.draw_scored(own[start : start + size], limits, settings.seed)[1])
            context.progress(min(len(rows) * processes, len(requests)), len(requests), "prompts")
        return rows

    scores = np.array(map_shards(score_shard, requests)).reshape(-1, settings.n)
    for count in range(1, settings.n + 1) if requests else ():
        context.metric(count, best_of=expected_best(scores, count))
    return scores
