# SPDX-License-Identifier: Apache-2.0
"""The blind pairs that a PPO run asks people about, and what they say. Importable without torch.

The rule. Verdicts are grouped by the update that they are about. If no policy of the run is worse than the start, no
verdict prefers the start with a chance above one half. Bettors against that begin at each validation of the run, so
that an early success hides no later fall. Their mean capital (`evidence_below_half`) ever reaches 20 with a probability
of at most 5 %, however often the run looks. The run ends when it does while the driving reward has risen. Without
verdicts the run continues.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from data.records import Policy
from data.selection.confidence_sequence import ALPHA, evidence_below_half
from data.store import Store
from data.tables.online_pairs import OnlinePair
from data.tables.projects import STANDARD
from data.views.judging import outcomes_by_version
from labeling.texts.pages import bad_input
from rlhf.ppo.settings import PPOSettings

PRIORITY = 10
"""The pairs come before others: the run does not wait for their answers."""

NO_LIMIT = 2**31
"""A number of updates that no run reaches."""


class AskedAnswer(NamedTuple):
    """An answer as token ids and text, and whether it ended."""

    ids: list[int]
    text: str
    ended: bool


class Candidate(NamedTuple):
    """The answers of policy and start to a fixed prompt. `predicted`: that the policy's is better, by the reward."""

    prompt_id: int
    policy: AskedAnswer
    start: AskedAnswer
    predicted: float


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Verdicts as (updates of the policy, outcome): 1 prefers the policy, 0 its start, a tie is one half.

    `looks`: the numbers of updates after which the run validates, in ascending order.
    """

    outcomes: Sequence[tuple[int, float]]
    looks: Sequence[int]

    def of(self, first: int, last: int = NO_LIMIT) -> list[float]:
        """Return the outcomes of the policies after `first` to `last` updates."""
        return [outcome for update, outcome in self.outcomes if first <= update <= last]

    @property
    def prefer_start(self) -> bool:
        """True if people prefer the start to the policies since some validation."""
        ends = [*(look - 1 for look in self.looks[1:]), NO_LIMIT]
        batches = [self.of(look, end) for look, end in zip(self.looks, ends, strict=True)]
        return evidence_below_half(batches, len(batches)) >= 1 / ALPHA

    @property
    def score(self) -> str:
        """The pairs for the policy and for its start, as `11 : 5`; of the newest update too if it is another."""
        newest = max((update for update, _ in self.outcomes), default=0)
        total, latest = _score(self.of(0)), _score(self.of(newest))
        return total if total == latest else f"{total} (update {newest}: {latest})"

    def status(self, *, reward_rose: bool) -> str:
        """Return what people say and what follows, for the run's progress."""
        if not self.outcomes:
            return "people: no verdict yet, going on"
        if not self.prefer_start:
            return f"people {self.score}, going on"
        return f"people {self.score}, " + ("ending" if reward_rose else "but the reward has not risen, going on")

    def report(self) -> dict[str, Any]:
        """Return the figures for the run's report."""
        values = self.of(0)
        rate = sum(values) / len(values) if values else None
        return {"score": self.score, "pairs": len(values), "win_rate": rate, "prefer_start": self.prefer_start}


def _score(outcomes: Sequence[float]) -> str:
    wins, losses = sum(value > 0.5 for value in outcomes), sum(value < 0.5 for value in outcomes)
    ties = len(outcomes) - wins - losses
    return f"{wins} : {losses}" + (f", {ties} {'tie' if ties == 1 else 'ties'}" if ties else "")


@dataclass
class Panel:
    """The queue of one run's pairs. `run_id` is of the first run of those that resume each other.

    `wanted`: pairs that wait at most. `looks`: the numbers of updates after which the run validates.
    """

    store: Store
    run_id: int
    start: Policy
    wanted: int
    sampling: dict[str, Any]
    seed: int
    looks: Sequence[int]

    def read(self) -> Verdicts:
        """Return the verdicts of people so far, in this run and in those that it resumes."""
        return Verdicts(outcomes_by_version(self.store, self.run_id), self.looks)

    def ask(self, update: int, candidates: Sequence[Candidate]) -> int:
        """Queue pairs of the policy after `update` updates, and withdraw those about older ones; return their number.

        Answers of equal texts show no difference and are left out.
        """
        different = [each for each in candidates if each.policy.text != each.start.text]
        random.Random(f"{self.seed} {update}").shuffle(different)
        store = self.store
        with store.transaction():
            store.online_pairs.withdraw_older(self.run_id, update)
            asked = different[: max(0, self.wanted - store.online_pairs.waiting(self.run_id, update))]
            by = {"model_name": f"run{self.run_id}, update {update}"}
            about = self.sampling | {"run": self.run_id}
            policy = self._store_answers(asked, "policy", by | {"sampling": about | {"update": update}})
            start = self._store_answers(asked, "start", {"policy_id": self.start.id, "sampling": about})
            pairs = [
                OnlinePair(each.prompt_id, a, b, update, "random", "start", 1.0, each.predicted)
                for each, a, b in zip(asked, policy, start, strict=True)
            ]
            ids = store.pairs.add_many(
                [(pair.prompt_id, pair.a_id, pair.b_id) for pair in pairs],
                run_id=self.run_id,
                project_id=STANDARD,
                priority=PRIORITY,
            )
            store.online_pairs.record(self.run_id, ids, pairs)
        return len(asked)

    def close(self) -> None:
        """Withdraw every pair that nobody looks at: no decision depends on it any more."""
        self.store.online_pairs.withdraw_all(self.run_id)

    def _store_answers(self, asked: Sequence[Candidate], side: str, columns: dict[str, Any]) -> list[str]:
        rows = []
        for candidate in asked:
            answer: AskedAnswer = getattr(candidate, side)
            texts = {"text": answer.text, "token_ids": answer.ids, "ended": answer.ended}
            rows.append({"prompt_id": candidate.prompt_id, "number": 0, "seed": self.seed} | texts | columns)
        return self.store.completions.add_many(rows, self.run_id)


def check_people(store: Store, settings: PPOSettings) -> None:
    """Check that there are validation prompts if people are asked: the pairs are answers to them."""
    if settings.people and not store.prompts.count("validation"):
        raise bad_input("need.validation_prompts", field="people", people=settings.people)
