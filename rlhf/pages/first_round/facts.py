# SPDX-License-Identifier: Apache-2.0
"""Facts of the first round, read from the store, and the mark of a home whose guide has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from data.ids import POLICY, public_id
from data.intervals import FEWEST, share_interval
from data.records import Policy, Run
from data.starter import SOURCE
from data.store import Store
from data.views.head_to_head import head_to_head, mean_outcomes
from rlhf.pages.first_round.offer import Offer, make_offer
from rlhf.pages.loop_counts import count_loop
from rlhf.pages.next_step import LoopCounts, NewestPolicy

ENDED = "first_round.ended"
"""The file in a home that ends the guide."""
RECENT = "SELECT seconds FROM comparisons WHERE source = 'person' AND seconds IS NOT NULL ORDER BY rowid DESC LIMIT 50"
COVERED = "SELECT EXISTS (SELECT 1 FROM prompts WHERE split = 'test' AND facts IS NOT NULL)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The win rate of the new policy against its parent on test prompts.

    `judge`: rubric, people or a reward model.
    """

    rate: float
    interval: Sequence[float]
    prompts: int
    judge: str

    @classmethod
    def read(cls, report: Mapping[str, Any], judge: str) -> Outcome:
        """Return the outcome that the report of a comparison holds."""
        return cls(report["win_rate"], report["win_rate_ci"], report["prompts"], judge)


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """The state of a home's first round.

    `offer`: what simulated labelers could answer. `covered`: whether the rubric covers test prompts. `on_starter`:
    whether the newest policy stands on the starter. `pace`: people's median seconds for a comparison. `runs`: newest
    first. `policy`: the newest policy that a reward model drove.
    """

    counts: LoopCounts
    offer: Offer | None
    covered: bool
    on_starter: bool
    pace: float | None
    runs: Sequence[Run]
    policy: NewestPolicy | None
    outcome: Outcome | None


def read_round(store: Store) -> RoundFacts | None:
    """Return the facts of the first round; None if the guide has ended, or the home cannot begin it or is past it."""
    if (store.home / ENDED).exists():
        return None
    counts = count_loop(store)
    policies = store.policies.all()
    driven = [policy for policy in policies if policy.reward_model_id and policy.parent_id]
    newest = max((model.id for model in store.reward_models.all() if model.role == "driver"), default=0)
    past = driven and newest > (driven[0].reward_model_id or 0)  # the second round has begun
    if not counts.prompts or not policies or past:
        return None
    seconds = [row["seconds"] for row in store.rows(RECENT)]
    return RoundFacts(
        counts=counts,
        offer=make_offer(store),
        covered=bool(store.value(COVERED)),
        on_starter=policies[-1].base == SOURCE,
        pace=median(seconds) if len(seconds) >= FEWEST else None,
        runs=store.runs.all(),
        policy=_named(store, driven[-1]) if driven else None,
        outcome=_outcome(store, driven[-1]) if driven else None,
    )


def end_round(store: Store) -> None:
    """Hide the guide in this home from now on."""
    (store.home / ENDED).touch()


def _named(store: Store, policy: Policy) -> NewestPolicy:
    parent = policy.parent_id or 0
    waiting = store.pairs.waiting_between(policy.id, parent)
    return NewestPolicy(policy.public, public_id(POLICY, parent), 0, waiting=waiting)


def _outcome(store: Store, policy: Policy) -> Outcome | None:
    """Return the newest evaluation against the parent, else people's comparisons if they are enough to say."""
    reports = [each for each in store.evaluations.all(policy.id) if each.against_id == policy.parent_id]
    if reports:
        return Outcome.read(reports[-1].report, reports[-1].judge)
    parent = policy.parent_id or 0
    shares = list(mean_outcomes(head_to_head(store, "person", (policy.id, parent)), policy.id, parent).values())
    return Outcome(fmean(shares), share_interval(shares), len(shares), "people") if len(shares) >= FEWEST else None
