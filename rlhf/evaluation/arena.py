# SPDX-License-Identifier: Apache-2.0
"""The arena: every policy against one of them, with win rates, KL, reward and cost. Importable without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from data.intervals import share_interval
from data.records import Evaluation, Policy
from data.store import Store
from data.views.head_to_head import HeadToHead, mean_outcomes
from rlhf.common.estimate import elapsed_seconds

KIND_NAMES = {
    "base": "base",
    "sft": "SFT",
    "ppo": "PPO",
    "online": "online learning",
    "dpo": "DPO",
    "rejection": "rejection sampling",
    "best-of-n": "best of n",
}


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A policy's figures against the common opponent.

    Rates are shares, KL is in nats, length in tokens; None means unknown. `kl_bound`: the KL is a formula's bound,
    not measured. `reward`: the mean score by the reward model of the same evaluation. `partial` names why the judge is
    not independent of the policy. `seconds` and `peak_mb` belong to the run that made the policy.
    """

    policy: str
    name: str
    kind: str
    win_rate: float | None = None
    win_low: float | None = None
    win_high: float | None = None
    simulated: float | None = None
    people: float | None = None
    people_low: float | None = None
    people_high: float | None = None
    people_prompts: int = 0
    kl: float | None = None
    kl_bound: bool = False
    reward: float | None = None
    gold: float | None = None
    length: float | None = None
    distinct_2: float | None = None
    seconds: float | None = None
    peak_mb: float | None = None
    partial: str | None = None
    prompts: int | None = None
    seed: int | None = None

    @property
    def measured_on(self) -> tuple[int | None, int | None]:
        """Number of prompts and seed; rows with equal values share their test prompts."""
        return self.prompts, self.seed


def policy_rows(store: Store, against: Policy, judge: str, people: Sequence[HeadToHead]) -> list[PolicyRow]:
    """Return a row for every policy but `against`, the highest win rate first.

    Each row takes its figures from the newest evaluation against that policy by that judge; policies without one come
    last. `people` holds the comparisons by people.
    """
    newest = {
        evaluation.policy_id: evaluation
        for evaluation in store.evaluations.all()
        if evaluation.against_id == against.id and evaluation.judge == judge
    }
    rows = [
        _policy_row(store, policy, against, newest.get(policy.id), people)
        for policy in store.policies.all()
        if policy.id != against.id
    ]
    return sorted(rows, key=lambda row: -1.0 if row.win_rate is None else row.win_rate, reverse=True)


def _policy_row(
    store: Store, policy: Policy, against: Policy, evaluation: Evaluation | None, people: Sequence[HeadToHead]
) -> PolicyRow:
    row = PolicyRow(policy=policy.public, name=policy.name, kind=KIND_NAMES.get(policy.kind, policy.kind))
    row = _with_people(row, mean_outcomes(people, policy.id, against.id))
    row = _with_cost(row, store, policy)
    return _with_evaluation(row, evaluation) if evaluation else row


def _with_people(row: PolicyRow, outcomes: Mapping[int, float]) -> PolicyRow:
    """Add the win rate by people; `outcomes` are mean outcomes by prompt id."""
    if not outcomes:
        return row
    shares = list(outcomes.values())
    low, high = share_interval(shares)
    return replace(row, people=fmean(shares), people_low=low, people_high=high, people_prompts=len(shares))


def _with_cost(row: PolicyRow, store: Store, policy: Policy) -> PolicyRow:
    """Add time and memory of the run that made the policy, if it has ended."""
    run = store.runs.get(policy.run_id) if policy.run_id is not None else None
    if run is None or not run.over:
        return row
    return replace(row, seconds=elapsed_seconds(run, run.ended_at or ""), peak_mb=run.report.get("peak_mb"))


def _with_evaluation(row: PolicyRow, evaluation: Evaluation) -> PolicyRow:
    report = evaluation.report
    low, high = report.get("win_rate_ci") or (None, None)
    return replace(
        row,
        win_rate=report.get("win_rate"),
        win_low=low,
        win_high=high,
        simulated=report.get("win_rate_noisy"),
        kl=report.get("kl"),
        kl_bound=bool(report.get("kl_bound")),
        reward=report.get("reward_end"),
        gold=report.get("gold_end"),
        length=report.get("length_end"),
        distinct_2=report.get("distinct_2_end"),
        partial=report.get("judge_partial"),
        prompts=report.get("prompts"),
        seed=report.get("seed"),
    )
