"""How often labelers agree: the ceiling for every model that learns from them.

Pure functions of *votes*: on which pair, by whom, and a grade from -3 (the pair's second answer much better) over 0 (a
tie) to 3 (the first much better). Both-bad says nothing about the order and is no vote; a labeler has one vote on a pair.
Each two answers of a ranking are a pair: a vote on every one of them. They were not judged independently, so intervals resample whole
tasks beside compared pairs.

Two labelers agree on a pair with 1 where they prefer the same answer or both call it a tie, 0 where they prefer
different ones, and 0.5 where one says tie; margins do not count. A pair counts once, with the mean over its pairs of
labelers. Krippendorff's alpha stands beside it: nominal on which answer is preferred, ordinal on the seven grades.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from data.intervals import bootstrap_ratio, multinomial_draws, wilson_interval
from data.store import Store
from data.tables.comparison_columns import BOTH_BAD, REPEAT, SOURCES, current_mask, unit_ids
from labeling.quality.krippendorff import DRAWS, Level, alpha, interval_of

GRADES = 7
BITS = 9
"""A pair's counts of the seven grades are kept as digits of one number, so at most 511 labelers share a pair."""


@dataclass(frozen=True, slots=True)
class Votes:
    """Columns of equal length: pair, labeler (int64 each) and grade (int8, -3 to 3)."""

    pair: np.ndarray
    labeler: np.ndarray
    grade: np.ndarray

    def __len__(self) -> int:
        return len(self.pair)

    def where(self, kept: np.ndarray) -> Self:
        """The votes that a mask chooses, or that stand at these places."""
        return type(self)(self.pair[kept], self.labeler[kept], self.grade[kept])

    def shared(self) -> Self:
        """The votes on pairs that two or more judged, those of a pair side by side."""
        votes = self.where(np.argsort(self.pair, kind="stable"))
        sizes = spans(votes.pair).sizes
        return votes.where(np.repeat(sizes > 1, sizes))


class Spans(NamedTuple):
    """Where equal neighbours begin, and how many they are: (S,) each."""

    starts: np.ndarray
    sizes: np.ndarray


class Patterns(NamedTuple):
    """Pairs by how they look. `counts` (U, 7): how many gave each grade, from -3 on; `alone` (U,): how many compared pairs look like that.

    `tasks` (T, U): how many such pairs a ranking's task holds; `times` (T,): how many tasks hold just these.
    """

    counts: np.ndarray
    alone: np.ndarray
    tasks: np.ndarray
    times: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """(U,) how many pairs look like that, compared or ranked."""
        return self.alone + self.times @ self.tasks

    @property
    def units(self) -> np.ndarray:
        """(U + T,) how often each kind of unit occurs: compared pairs, then tasks."""
        return np.concatenate([self.alone, self.times])

    def by_unit(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(U + T,) each: a unit's sum of the scores (U,) of its pairs, and how many pairs it has."""
        return np.concatenate([scores, self.tasks @ scores]), np.concatenate(
            [np.ones(len(scores)), self.tasks.sum(axis=1)]
        )

    def resampled(self, seed: int, draws: int) -> Iterator[np.ndarray]:
        """(D, U) weights like those of all pairs, some draws at a time: resamples of units."""
        n, looks = int(self.units.sum()), len(self.alone)
        return (
            drawn[:, :looks] + drawn[:, looks:] @ self.tasks
            for drawn in multinomial_draws(n, self.units / n, seed, draws)
        )


@dataclass(frozen=True, slots=True)
class Agreement:
    """`rate` over `pairs` that two or more labelers judged, with its 95 % interval; without such pairs `rate` is None.

    The pairs come in `units` that were judged independently: compared pairs, and tasks of rankings.
    """

    rate: float | None
    low: float
    high: float
    pairs: int
    units: int


@dataclass(frozen=True, slots=True)
class Alpha:
    """Krippendorff's alpha with its 95 % interval over pairs; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class AgreementReport:
    """What a set of votes says of itself: raw agreement, and alpha on the preferred answer and on the grades."""

    raw: Agreement
    nominal: Alpha
    ordinal: Alpha

    def as_json(self) -> dict[str, Any]:
        """Plain values for `--json` and downloads."""
        return {
            "pairs": self.raw.pairs,
            "rate": self.raw.rate,
            "ci": [self.raw.low, self.raw.high],
            "alpha_nominal": self.nominal.value,
            "alpha_nominal_ci": _ends(self.nominal),
            "alpha_ordinal": self.ordinal.value,
            "alpha_ordinal_ci": _ends(self.ordinal),
        }


def measure_agreement(store: Store, source: str = "person") -> Agreement:
    """Raw agreement between the labelers of one source ('person' or 'simulated') as the store has it now."""
    found = judged(store, source)
    return rate(*found.by_unit(pair_scores(preferred(found.counts))), found.units)


def judged(store: Store, source: str = "person") -> Patterns:
    """How pairs were judged by two or more of a source's labelers, as the store has it now."""
    events = store.comparison_columns.cached()
    events = np.concatenate([events[current_mask(events)], store.comparison_columns.rankings()])
    return patterns(votes_of(events[events["source"] == SOURCES.index(source)]).shared())


def votes_of(events: np.ndarray) -> Votes:
    """The votes among current comparisons (`data.tables.comparison_columns`)."""
    kept = first_answers(events)
    return Votes(kept["pair"], kept["labeler"], kept["grade"])


def first_answers(events: np.ndarray) -> np.ndarray:
    """Current comparisons that are votes: no both-bad, no planned repeat, and one of a labeler on a pair."""
    kept = events[(events["kind"] != BOTH_BAD) & (events["role"] != REPEAT)]
    _, first = np.unique(kept["pair"] * (1 + kept["labeler"].max(initial=0)) + kept["labeler"], return_index=True)
    return kept[np.sort(first)]


def report(votes: Votes, seed: int = 0) -> AgreementReport:
    """Agreement of these votes with 95 % intervals over pairs; the same votes and seed give the same intervals."""
    found = patterns(votes.shared())
    chosen = preferred(found.counts)
    return AgreementReport(
        rate(*found.by_unit(pair_scores(chosen)), found.units, seed),
        _alpha(chosen, found, "nominal", seed),
        _alpha(found.counts, found, "ordinal", seed),
    )


def by_group(votes: Votes, group: np.ndarray) -> dict[int, Votes]:
    """The votes of each value of `group`, a column beside them, by rising value: only those of one group are held against each other."""
    order = np.argsort(group, kind="stable")
    starts, sizes = spans(group[order])
    return {
        int(group[order[start]]): votes.where(order[start : start + size])
        for start, size in zip(starts, sizes, strict=True)
    }


def patterns(shared: Votes) -> Patterns:
    """The distinct ways in which pairs were judged; `shared` has the votes of a pair side by side."""
    if not len(shared):
        return Patterns(
            np.zeros((0, GRADES), np.int64), np.zeros(0, np.int64), np.zeros((0, 0), np.int64), np.zeros(0, np.int64)
        )
    starts, _ = spans(shared.pair)
    digits = np.int64(1) << (BITS * (shared.grade.astype(np.int64) + 3))
    keys, look = np.unique(np.add.reduceat(digits, starts), return_inverse=True)
    counts = keys[:, None] >> (BITS * np.arange(GRADES)) & ((1 << BITS) - 1)
    unit = unit_ids(shared.pair[starts])
    ranked, task = np.unique(unit[unit < 0], return_inverse=True)
    held = np.zeros((len(ranked), len(keys)), np.int64)
    np.add.at(held, (task, look[unit < 0]), 1)
    return Patterns(
        counts, np.bincount(look[unit >= 0], minlength=len(keys)), *np.unique(held, axis=0, return_counts=True)
    )


def preferred(counts: np.ndarray) -> np.ndarray:
    """(U, 3) how many preferred the first answer, neither, the second; `counts` (U, 7) as in `Patterns`."""
    return np.stack([counts[:, 4:].sum(axis=1), counts[:, 3], counts[:, :3].sum(axis=1)], axis=1)


def pair_scores(chosen: np.ndarray) -> np.ndarray:
    """(U,) mean agreement over a pair's pairs of labelers; `chosen` (U, 3) counts first, tie, second."""
    n = chosen.astype(np.float64)
    m, ties = n.sum(axis=1), n[:, 1]
    same = (n * (n - 1)).sum(axis=1)
    half = 2 * ties * (m - ties)  # ordered pairs of which one says tie
    return (same + half / 2) / (m * (m - 1))


def rate(sums: np.ndarray, sizes: np.ndarray, weights: np.ndarray, seed: int = 0) -> Agreement:
    """The mean score of pairs that come in units: a unit's sum of scores, its pairs, and how often it occurs, (C,) each.

    With a bootstrap interval over units; Wilson's where all have one mean, which resamples cannot vary.
    """
    there = weights > 0
    sums, sizes, weights = sums[there], sizes[there], weights[there]
    pairs, count = int(weights @ sizes), int(weights.sum())
    if not pairs:
        return Agreement(None, 0.0, 1.0, 0, 0)
    mean = float(weights @ sums / pairs)
    interval = (
        wilson_interval(mean * count, count)
        if np.ptp(sums / sizes) == 0
        else bootstrap_ratio(sums, sizes, weights, seed)
    )
    return Agreement(mean, *interval, pairs, count)


def pairings(shared: Votes) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every two votes on one pair: the smaller and the larger labeler, the pair, and whether they agree (1, 0.5, 0)."""
    starts, sizes = spans(shared.pair)
    one, other = [], []
    for size in np.unique(sizes):
        first, second = np.triu_indices(size, 1)
        begin = starts[sizes == size][:, None]
        one.append((begin + first).ravel())
        other.append((begin + second).ravel())
    i, j = (np.concatenate(part) if part else np.zeros(0, np.int64) for part in (one, other))
    a, b, x, y = shared.labeler[i], shared.labeler[j], np.sign(shared.grade[i]), np.sign(shared.grade[j])
    return np.minimum(a, b), np.maximum(a, b), shared.pair[i], 1 - np.abs(x - y) / 2


def spans(column: np.ndarray) -> Spans:
    """The runs of equal neighbours in a column."""
    if not len(column):
        return Spans(np.zeros(0, np.int64), np.zeros(0, np.int64))
    starts = np.flatnonzero(np.concatenate([[True], column[1:] != column[:-1]]))
    return Spans(starts, np.diff(np.append(starts, len(column))))


def _alpha(counts: np.ndarray, found: Patterns, level: Level, seed: int) -> Alpha:
    value = alpha(counts, found.weights, level)
    interval = (
        interval_of(counts, found.resampled(seed, DRAWS), level) if found.units.sum() > 1 else (math.nan, math.nan)
    )
    return Alpha(*(None if math.isnan(one) else one for one in (value, *interval)))


def _ends(found: Alpha) -> list[float] | None:
    return None if found.low is None else [found.low, found.high]
