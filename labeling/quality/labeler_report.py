"""What can be said about each labeler's work, without judging the person: every share with its interval and what it is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.intervals import wilson_interval
from data.tables.comparison_columns import BOTH_BAD, GOLD, ORDERED, REPEAT, unit_ids
from data.tables.gold import GoldItem
from labeling.quality.agreement import Votes, pairings, rate, spans


@dataclass(frozen=True, slots=True)
class Share:
    """A share of `n` with its 95 % interval; None where n is 0."""

    value: float | None
    low: float
    high: float
    n: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"share": self.value, "ci": None if self.value is None else [self.low, self.high], "of": self.n}


@dataclass(frozen=True, slots=True)
class LabelerFigures:
    """One labeler's figures.

    `agreement`: with others on the pairs that both judged. `gold`: right on gold items. `consistency`: the same again on
    planned repeats, sides swapped. `left`: preferred the answer that stood left, of all decided. `seconds`: the median
    time at work on a comparison, or from its showing to the answer where the client does not say how long one was at work.
    `ties`, `both_bad`: of comparisons; `skips`: of items handed out.
    """

    labeler_id: int
    comparisons: int
    rankings: int
    agreement: Share
    gold: Share
    consistency: Share
    left: Share
    seconds: float | None
    ties: Share
    both_bad: Share
    skips: Share


@dataclass(frozen=True, slots=True)
class LabelerPair:
    """How two labelers agree on the pairs that both judged; `one` is the smaller id."""

    first: int
    second: int
    agreement: Share


def labeler_figures(
    events: np.ndarray,
    votes: Votes,
    ranked: Mapping[int, int],
    gold: Mapping[int, GoldItem],
    firsts: Mapping[int, str],
    skips: Mapping[int, int],
) -> list[LabelerFigures]:
    """Everybody with a comparison among these current events, most comparisons first; then who only ranked.

    `votes`: these and those of rankings. `ranked` counts a labeler's rankings. `firsts` has the first completion of every gold pair;
    `skips` counts the items that a labeler let go.
    """
    shared = _with_others(votes.shared())
    order = np.argsort(events["labeler"], kind="stable")
    sorted_events = events[order]
    starts, sizes = spans(sorted_events["labeler"])
    by_labeler = {
        int(sorted_events["labeler"][start]): sorted_events[start : start + size]
        for start, size in zip(starts, sizes, strict=True)
    }
    by_labeler |= {id: events[:0] for id in ranked if id not in by_labeler}
    found = [
        _labeler(id, own, ranked.get(id, 0), shared.get(id), _gold(own, gold, firsts), skips.get(id, 0))
        for id, own in by_labeler.items()
    ]
    return sorted(found, key=lambda one: (-one.comparisons, -one.rankings))


def labeler_pairs(votes: Votes) -> list[LabelerPair]:
    """Every two labelers who share a pair."""
    one, other, pair, score = pairings(votes.shared())
    if not len(one):
        return []
    order = np.lexsort((other, one))
    one, other, unit, score = one[order], other[order], unit_ids(pair[order]), score[order]
    starts, sizes = spans(one * (1 + other.max()) + other)
    return [
        LabelerPair(int(one[i]), int(other[i]), _mean(score[i : i + n], unit[i : i + n]))
        for i, n in zip(starts, sizes, strict=True)
    ]


def position_bias(preferred_left: int, decided: int) -> Share:
    """The share of decided comparisons in which the left answer won, with Wilson's interval.

    Sides are drawn for each assignment, so without bias it is a half whatever the answers are, and comparisons are independent.
    """
    return _share(preferred_left, decided)


def _labeler(id: int, own: np.ndarray, ranked: int, shared: Share | None, gold: Share, skips: int) -> LabelerFigures:
    decided = own[(own["kind"] == ORDERED) & (own["grade"] != 0)]
    left = (decided["grade"] > 0) == decided["left"]
    timed = own["seconds"][~np.isnan(own["seconds"])]
    n = len(own)
    return LabelerFigures(
        id,
        n,
        ranked,
        shared or _share(0, 0),
        gold,
        _consistency(own),
        position_bias(int(left.sum()), len(decided)),
        float(np.median(timed)) if len(timed) else None,
        _share(int(((own["kind"] == ORDERED) & (own["grade"] == 0)).sum()), n),
        _share(int((own["kind"] == BOTH_BAD).sum()), n),
        _share(skips, skips + n + ranked),
    )


def _with_others(shared: Votes) -> dict[int, Share]:
    """Each labeler's mean agreement with the others of a pair, over the pairs that others judged too."""
    if not len(shared):
        return {}
    starts, sizes = spans(shared.pair)
    unit, m = np.repeat(np.arange(len(starts)), sizes), np.repeat(sizes, sizes)
    sign = np.sign(shared.grade.astype(np.int64))
    counts = np.stack([np.add.reduceat((sign == value).astype(np.int64), starts) for value in (-1, 0, 1)], axis=1)[unit]
    same = np.take_along_axis(counts, sign[:, None] + 1, axis=1)[:, 0] - 1
    half = np.where(sign == 0, m - counts[:, 1], counts[:, 1])
    score = (same + half / 2) / (m - 1)
    order = np.argsort(shared.labeler, kind="stable")
    names, score, judged = shared.labeler[order], score[order], unit_ids(shared.pair[order])
    begins, lengths = spans(names)
    return {int(names[i]): _mean(score[i : i + n], judged[i : i + n]) for i, n in zip(begins, lengths, strict=True)}


def _gold(own: np.ndarray, gold: Mapping[int, GoldItem], firsts: Mapping[int, str]) -> Share:
    judged = [row for row in own[own["role"] == GOLD] if int(row["pair"]) in gold]
    return _share(sum(_met(row, gold[int(row["pair"])], firsts[int(row["pair"])]) for row in judged), len(judged))


def _met(row: np.void, item: GoldItem, first: str) -> bool:
    if item.outcome == "both_bad":
        return bool(row["kind"] == BOTH_BAD)
    wanted = 0 if item.outcome == "tie" else 1 if item.winner_id == first else -1
    return bool(row["kind"] == ORDERED and np.sign(row["grade"]) == wanted)


def _consistency(own: np.ndarray) -> Share:
    """1 for the same order or the same refusal, 0.5 where one of the two is a tie, over repeats whose first answer holds."""
    repeats = own[own["role"] == REPEAT]
    before = {int(row["pair"]): row for row in own[(own["role"] != REPEAT) & np.isin(own["pair"], repeats["pair"])]}
    again = [(before[int(row["pair"])], row) for row in repeats if int(row["pair"]) in before]
    return _mean(np.array([_same(one, other) for one, other in again]), np.arange(len(again)))


def _same(one: np.void, other: np.void) -> float:
    if one["kind"] != other["kind"]:
        return 0.0
    return float(1 - abs(int(np.sign(one["grade"])) - int(np.sign(other["grade"]))) / 2)


def _mean(scores: np.ndarray, unit: np.ndarray) -> Share:
    """Of scores that come in units."""
    _, place = np.unique(unit, return_inverse=True)
    kinds, weights = np.unique(
        np.stack([np.bincount(place, scores), np.bincount(place)], axis=1), axis=0, return_counts=True
    )
    found = rate(kinds[:, 0], kinds[:, 1], weights)
    return Share(found.rate, found.low, found.high, found.pairs)


def _share(k: int, n: int) -> Share:
    return Share(k / n if n else None, *wilson_interval(k, n), n)
