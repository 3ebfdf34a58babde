"""How often labelers agree: the ceiling for every model that learns from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from data.intervals import wilson
from data.records import Comparison
from data.store import Store


@dataclass(frozen=True, slots=True)
class Agreement:
    """`rate` over `pairs` that two or more labelers judged, with its 95 % interval; without such pairs `rate` is None."""

    rate: float | None
    low: float
    high: float
    pairs: int


def agreement(store: Store, source: str = "person") -> Agreement:
    """Raw agreement between the labelers of one source ('person' or 'simulated') on pairs judged by two or more.

    Two labelers agree on a pair with 1 where they prefer the same answer or both call it a tie, 0 where they prefer
    different ones, and 0.5 where one says tie. Margins do not count, both-bad says nothing about the order and is left
    out. A pair counts once, with the mean over its pairs of labelers; the interval is Wilson's with the number of pairs
    as trials, a little wide where halves occur.
    """
    scores = pair_scores(store.comparisons.current(source=source))
    if not scores:
        return Agreement(None, 0.0, 1.0, 0)
    low, high = wilson(sum(scores), len(scores))
    return Agreement(sum(scores) / len(scores), low, high, len(scores))


def pair_scores(comparisons: Iterable[Comparison]) -> list[float]:
    """For each pair judged by two or more, the mean agreement over its pairs of labelers."""
    winners = defaultdict(list)
    for comparison in comparisons:
        if comparison.verdict != "both_bad":
            winners[comparison.pair_id].append(comparison.winner_id)
    means = []
    for said in winners.values():
        scores = [1.0 if a == b else 0.5 if None in (a, b) else 0.0 for a, b in combinations(said, 2)]
        if scores:
            means.append(sum(scores) / len(scores))
    return means
