# SPDX-License-Identifier: Apache-2.0
"""Validation: answers to the fixed prompts, always with the same noise, and the choice of the best policy by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from reward.base.frozen_base import Base
from rlhf.ppo.checkpoint import BestPolicy, PPOState, copy_adapter
from rlhf.ppo.collector import FIXED_PROMPTS, RolloutCollector
from rlhf.ppo.guard import Guard, GuardReading
from rlhf.ppo.prompt_rows import PromptRow
from rlhf.ppo.roles import POLICY
from rlhf.ppo.rollout import ScoredRollout, rollout_metrics
from rlhf.sampling.sampler import Rollout

Watch = Callable[[Sequence[PromptRow], Sequence[str], Sequence[bool]], Sequence[float]]
"""(rows, texts, ended flags) -> one number for each answer."""


Sample = dict[str, Any]
"""A prompt with both policies' answers and scores, for people to read."""


class ScoredAnswers(NamedTuple):
    """One policy's answers as ids, and their scores (B,)."""

    ids: list[list[int]]
    scores: Tensor


class ReferenceAnswers(NamedTuple):
    """The reference's answers to the fixed prompts, and the reward's raw scores of them (B,)."""

    answers: Rollout
    raw: Tensor


@dataclass
class Validation:
    """The fixed prompts of a run: `rows`, and their ids `prompts`. `measured`: the policy's newest answers to them.

    Only this class updates `state.best` and, through `guard`, the guard's state.
    """

    collector: RolloutCollector
    rows: list[PromptRow]
    prompts: list[list[int]]
    guard: Guard | None
    state: PPOState
    reference: ReferenceAnswers | None = None
    measured: ScoredRollout | None = None
    samples: list[Sample] = field(default_factory=list)

    def answer_as_reference(self) -> None:
        """Answer the fixed prompts as the reference, set the rewards' units, and take the start as the best policy."""
        collector, args = self.collector, self.collector.args
        with collector.actor.base.role(collector.reference):
            answers, raw = collector.sample_and_score(self.rows, self.prompts, FIXED_PROMPTS)
        if args.standardize_reward or args.center_reward:
            collector.scorer.fit(raw, scale=args.standardize_reward)
        self.reference = ReferenceAnswers(answers, raw)
        texts = [row["prompt"] for row in self.rows]
        guard_scores = None if self.guard is None else self.guard.begin(texts, answers)
        reward = collector.scorer.shape(raw, answers).mean().item()
        self.consider(0, reward, kl=0.0, guard_scores=guard_scores)

    def measure(self, update: int, watch: Watch | None = None) -> dict[str, float]:
        """Answer as the policy after `update` updates; return the metrics, and store its weights if it is the best.

        Requires `answer_as_reference`. Adds `objective`, `guard` (the guard's mean) and `gold` (the mean of `watch`).
        """
        assert self.reference is not None
        collector, base = self.collector, self.collector.actor.base
        with base.role(POLICY):
            self.measured = rollout = collector.collect(self.rows, self.prompts, FIXED_PROMPTS)
        metrics = rollout_metrics(rollout)
        texts = [row["prompt"] for row in self.rows]
        guard_scores = None if self.guard is None else self.guard.scores(texts, rollout.answers)
        metrics["objective"] = self.consider(update, metrics["reward"], metrics["kl"], guard_scores)
        if guard_scores is not None:
            metrics["guard"] = guard_scores.mean().item()
        if watch is not None:
            gold = watch(self.rows, [base.decode(ids) for ids in rollout.answers.ids], rollout.answers.ended)
            metrics["gold"] = sum(gold) / len(gold)
        reference = ScoredAnswers(
            self.reference.answers.ids, collector.scorer.shape(self.reference.raw, self.reference.answers)
        )
        self.samples = comparison_samples(
            base, self.rows, reference, ScoredAnswers(rollout.answers.ids, rollout.scores)
        )
        return metrics

    def consider(self, update: int, reward: float, kl: float, guard_scores: Tensor | None = None) -> float:
        """Return the objective: reward, or with a guard its mean, less KL at the starting coefficient.

        Stores the current weights as the best policy if KL is within the budget and no objective was higher so far.
        `guard_scores` (B,) are the guard's scores of the fixed prompts' answers.
        """
        args, best = self.collector.args, self.state.best
        objective = (reward if guard_scores is None else guard_scores.mean().item()) - args.kl_coef * kl
        is_best = kl <= args.kl_budget and (best is None or objective > best.objective)
        if is_best:
            weights = copy_adapter(self.collector.actor.base, POLICY)
            self.state.best = BestPolicy(update, reward, kl, objective, weights)
        if self.guard is not None and guard_scores is not None:
            self.guard.observe(GuardReading(update, reward, tuple(guard_scores.tolist())), is_best)
        return objective


def comparison_samples(
    base: Base, rows: Sequence[dict[str, Any]], reference: ScoredAnswers, policy: ScoredAnswers
) -> list[dict[str, Any]]:
    """Return the prompts of `rows` with both policies' answers and scores."""
    return [
        {
            "prompt": row["prompt"],
            "reference": base.decode(reference_ids),
            "policy": base.decode(policy_ids),
            "reference_reward": reference_score,
            "reward": policy_score,
        }
        for row, reference_ids, policy_ids, reference_score, policy_score in zip(
            rows, reference.ids, policy.ids, reference.scores.tolist(), policy.scores.tolist(), strict=True
        )
    ]
