# SPDX-License-Identifier: Apache-2.0
"""Judgings: blind pairs of a policy against its parent or start that people answer until they have decided.

Everything is read from the events at every look. So undone answers, excluded labelers and corrections count at once.
The pairs are rows of `online_pairs` with the rule `start`; withdrawn pairs are marked there.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from data.intervals import Interval
from data.selection.confidence_sequence import is_decided, sequential_interval
from data.store import Store

UNPREDICTED = 0.5
"""The recorded prediction of a pair without a reward model."""
NEWER = "coalesce({}.policy_id, 1 << 62) > coalesce({}.policy_id, 1 << 62)"
"""A policy is newer than its ancestors; the policy of a run that is still at work has no number yet."""
OUTCOMES = f"""
SELECT o.version, avg(CASE WHEN c.winner_id IS NULL THEN 0.5 ELSE (c.winner_id = a.id) = ({NEWER.format("a", "b")}) END) AS outcome
FROM online_pairs AS o JOIN pairs AS p ON p.id = o.pair_id
JOIN completions AS a ON a.id = p.first_id JOIN completions AS b ON b.id = p.second_id
JOIN counted_comparisons AS c ON c.pair_id = o.pair_id
WHERE o.run_id = ? AND o.rule = 'start' AND c.source = 'person' AND c.verdict != 'both_bad'
AND c.labeler_id NOT IN (SELECT labeler_id FROM labelers_aside) GROUP BY o.pair_id
"""
WITHDRAWN = "SELECT count(*) FROM online_pairs WHERE run_id = ? AND outdated = 1"
OF_PAIR = """SELECT o.run_id FROM online_pairs AS o JOIN pairs AS p ON p.id = o.pair_id AND p.purpose = 'compare'
WHERE o.pair_id = ?"""
NEWEST = """SELECT max(id) FROM runs WHERE kind = 'sample' AND json_extract(settings, '$.until_decided')
AND json_extract(settings, '$.from') = ? AND json_extract(settings, '$.against') = ?"""


@dataclass(frozen=True, slots=True)
class Judging:
    """The verdicts of people on a run's pairs, one for each pair: 1 prefers the newer policy, 0 the older one.

    A tie is one half; several people's verdicts on a pair are averaged. `waiting` and `withdrawn` count pairs.
    """

    outcomes: list[float]
    waiting: int
    withdrawn: int

    @property
    def rate(self) -> float:
        """The win rate of the newer policy; one half without a verdict."""
        return fmean(self.outcomes) if self.outcomes else 0.5

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the win rate; it holds at every look, so frequent looks are allowed."""
        return sequential_interval(self.outcomes)

    @property
    def is_decided(self) -> bool:
        """True if the interval excludes one half."""
        return is_decided(self.outcomes)


def read_judging(store: Store, run_id: int) -> Judging:
    """Return the judging of a run's pairs."""
    waiting, withdrawn = store.online_pairs.waiting(run_id, 0), store.value(WITHDRAWN, [run_id])
    return Judging([outcome for _, outcome in outcomes_by_version(store, run_id)], waiting, withdrawn)


def outcomes_by_version(store: Store, run_id: int) -> list[tuple[int, float]]:
    """Return (updates of the policy, outcome) for each judged pair of a run, in the order of the pairs."""
    return [(row["version"], row["outcome"]) for row in store.rows(OUTCOMES, [run_id])]


def newest_judging(store: Store, policy: str, against: str) -> Judging | None:
    """Return the newest judging of two policies by their public ids; None if no such run has made pairs."""
    run_id = store.value(NEWEST, [policy, against])
    judging = read_judging(store, run_id) if run_id else None
    return judging if judging and (judging.outcomes or judging.waiting or judging.withdrawn) else None


def withdraw_if_decided(store: Store, pair_id: int) -> int:
    """Withdraw the waiting pairs of this pair's judging if people have decided; return how many were withdrawn.

    A pair of no judging costs one look-up by its key.
    """
    run_id = store.value(OF_PAIR, [pair_id])
    if run_id is None or not is_decided([outcome for _, outcome in outcomes_by_version(store, run_id)]):
        return 0
    return store.online_pairs.withdraw_all(run_id)
