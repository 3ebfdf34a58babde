# SPDX-License-Identifier: Apache-2.0
"""Figures on each labeler's work: every share comes with its 95 % interval and the number of cases behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from data.intervals import wilson_interval
from data.tables.comparison_columns import BOTH_BAD, GOLD, ORDERED, REPEAT, unit_ids
from data.tables.gold import GoldItem
from labeling.quality.agreement import mean_agreement
from labeling.quality.pair_tables import Table, agreement_with_others
from labeling.quality.patterns import pair_up_votes
from labeling.quality.votes import Votes, find_spans


@dataclass(frozen=True, slots=True)
class Share:
    """A share of `n` with its 95 % interval; None if n is 0."""

    value: float | None
    low: float
    high: float
    n: int

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"share": self.value, "ci": None if self.value is None else [self.low, self.high], "of": self.n}


@dataclass(frozen=True, slots=True)
class LabelerFigures:
    """One labeler's figures.

    `agreement`: with others on the pairs that both judged. `gold`: correct on gold items. `consistency`: the same
    verdict on planned repeats, sides swapped. `left`: preferred the left answer, of all decided comparisons. `seconds`:
    median active time on a comparison, or the time from showing to answer if the client reports no active time. `ties`,
    `both_bad`: of comparisons. `skips`: of assigned items.
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
    """Agreement of two labelers on the pairs that both judged; `first` is the smaller id."""

    first: int
    second: int
    agreement: Share


def labeler_figures(
    events: np.ndarray,
    compared: Table,
    rankings: Votes,
    ranked: Mapping[int, int],
    gold: Mapping[int, GoldItem],
    firsts: Mapping[int, str],
    skips: Mapping[int, int],
) -> list[LabelerFigures]:
    """Return the figures of every labeler in these current events, most comparisons first, then of pure rankers.

    `compared`: the table `others` of `tabulate`. `rankings`: votes of rankings. `ranked`: rankings per labeler.
    `firsts`: the first completion of every gold pair. `skips`: items that each labeler skipped.
    """
    shared = _agreement_with_others(compared, rankings)
    sorted_events = events[np.argsort(events["labeler"], kind="stable")]
    starts, sizes = find_spans(sorted_events["labeler"])
    by_labeler = {
        int(sorted_events["labeler"][start]): sorted_events[start : start + size]
        for start, size in zip(starts, sizes, strict=True)
    }
    by_labeler |= {id: events[:0] for id in ranked if id not in by_labeler}
    figures = [
        _figures(id, comparisons, ranked.get(id, 0), shared.get(id), _gold(comparisons, gold, firsts), skips.get(id, 0))
        for id, comparisons in by_labeler.items()
    ]
    return sorted(figures, key=lambda labeler: (-labeler.comparisons, -labeler.rankings))


def labeler_pairs(compared: Table, ranked: Votes) -> tuple[LabelerPair, ...]:
    """Return the agreement of every two labelers who share a pair.

    `compared` has (labeler, labeler, twice the agreement) on compared pairs.
    """
    first, second, pair, score = pair_up_votes(ranked.on_shared_pairs())
    rankings = _by_unit(np.stack([first, second], axis=1), unit_ids(pair), score)
    shares = _shares(compared.keys[:, :2], compared.keys[:, 2] / 2, compared.counts, rankings)
    return tuple(LabelerPair(one, other, share) for (one, other), share in shares.items())


def position_bias(preferred_left: int, decided: int) -> Share:
    """Return the share of decided comparisons in which the left answer won, with Wilson's interval.

    Sides are drawn for each assignment. So an unbiased share is a half for any answers, and comparisons are
    independent.
    """
    return _share(preferred_left, decided)


def _figures(
    id: int, comparisons: np.ndarray, ranked: int, shared: Share | None, gold: Share, skips: int
) -> LabelerFigures:
    decided = comparisons[(comparisons["kind"] == ORDERED) & (comparisons["grade"] != 0)]
    left = (decided["grade"] > 0) == decided["left"]
    timed = comparisons["seconds"][~np.isnan(comparisons["seconds"])]
    n = len(comparisons)
    return LabelerFigures(
        id,
        n,
        ranked,
        shared or _share(0, 0),
        gold,
        _consistency(comparisons),
        position_bias(int(left.sum()), len(decided)),
        float(np.median(timed)) if len(timed) else None,
        _share(int(((comparisons["kind"] == ORDERED) & (comparisons["grade"] == 0)).sum()), n),
        _share(int((comparisons["kind"] == BOTH_BAD).sum()), n),
        _share(skips, skips + n + ranked),
    )


def _agreement_with_others(compared: Table, ranked: Votes) -> dict[int, Share]:
    """Return each labeler's mean agreement with the others of a pair, over the pairs that others judged too."""
    shared = ranked.on_shared_pairs()
    twice, others = agreement_with_others(shared)
    rankings = _by_unit(shared.labeler[:, None], unit_ids(shared.pair), twice / 2 / others)
    scores = compared.keys[:, 1] / 2 / compared.keys[:, 2]
    return {
        labeler: share for (labeler,), share in _shares(compared.keys[:, :1], scores, compared.counts, rankings).items()
    }


class UnitScores(NamedTuple):
    """Scores by unit: `keys` (N, C) say whose they are; `sums` (N,) and `sizes` (N,) are of the unit's pairs."""

    keys: np.ndarray
    sums: np.ndarray
    sizes: np.ndarray


def _by_unit(keys: np.ndarray, unit: np.ndarray, score: np.ndarray) -> UnitScores:
    """Sum up the scores (N,) of one unit and of equal `keys` (N, C)."""
    rows, place = np.unique(np.column_stack([keys, unit]), axis=0, return_inverse=True)
    return UnitScores(rows[:, :-1], np.bincount(place, score, len(rows)), np.bincount(place, minlength=len(rows)))


def _shares(keys: np.ndarray, scores: np.ndarray, counts: np.ndarray, rankings: UnitScores) -> dict[tuple, Share]:
    """Return the mean score of each key: of pairs with these scores, as often as `counts` says, and of rankings."""
    keys = np.concatenate([keys, rankings.keys])
    kinds = np.stack(
        [np.concatenate([scores, rankings.sums]), np.concatenate([np.ones(len(scores)), rankings.sizes])], 1
    )
    weights = np.concatenate([counts, np.ones(len(rankings.sums), np.int64)])
    order = np.lexsort(keys.T[::-1])
    keys, kinds, weights = keys[order], kinds[order], weights[order]
    if not len(keys):
        return {}
    starts = np.flatnonzero(np.concatenate([[True], (keys[1:] != keys[:-1]).any(axis=1)]))
    ends = [*starts[1:].tolist(), len(keys)]
    return {
        tuple(keys[start].tolist()): _mean_of_kinds(kinds[start:end], weights[start:end])
        for start, end in zip(starts.tolist(), ends, strict=True)
    }


def _gold(comparisons: np.ndarray, gold: Mapping[int, GoldItem], firsts: Mapping[int, str]) -> Share:
    rows = [row for row in comparisons[comparisons["role"] == GOLD] if int(row["pair"]) in gold]
    correct = sum(_is_correct(row, gold[int(row["pair"])], firsts[int(row["pair"])]) for row in rows)
    return _share(correct, len(rows))


def _is_correct(row: np.void, item: GoldItem, first: str) -> bool:
    if item.outcome == "both_bad":
        return bool(row["kind"] == BOTH_BAD)
    expected = 0 if item.outcome == "tie" else 1 if item.winner_id == first else -1
    return bool(row["kind"] == ORDERED and np.sign(row["grade"]) == expected)


def _consistency(comparisons: np.ndarray) -> Share:
    """Return the mean over repeats with a current first answer.

    1 for the same outcome, 0.5 if one of the two is a tie.
    """
    repeats = comparisons[comparisons["role"] == REPEAT]
    before = {
        int(row["pair"]): row
        for row in comparisons[(comparisons["role"] != REPEAT) & np.isin(comparisons["pair"], repeats["pair"])]
    }
    scores = [_same(before[int(row["pair"])], row) for row in repeats if int(row["pair"]) in before]
    return _mean(np.array(scores, np.float64))


def _same(first: np.void, repeat: np.void) -> float:
    if first["kind"] != repeat["kind"]:
        return 0.0
    return float(1 - abs(int(np.sign(first["grade"])) - int(np.sign(repeat["grade"]))) / 2)


def _mean(scores: np.ndarray) -> Share:
    """Return the mean of scores (N,) of independent units."""
    return _mean_of_kinds(np.stack([scores, np.ones(len(scores))], axis=1), np.ones(len(scores), np.int64))


def _mean_of_kinds(kinds: np.ndarray, weights: np.ndarray) -> Share:
    """Return the mean score of units: `kinds` (N, 2) has sums and sizes, `weights` (N,) says how many have them."""
    distinct, place = np.unique(kinds, axis=0, return_inverse=True)
    occurrences = np.bincount(place, weights, len(distinct)).astype(np.int64)
    mean = mean_agreement(distinct[:, 0], distinct[:, 1], occurrences)
    return Share(mean.rate, mean.low, mean.high, mean.pairs)


def _share(k: int, n: int) -> Share:
    return Share(k / n if n else None, *wilson_interval(k, n), n)
