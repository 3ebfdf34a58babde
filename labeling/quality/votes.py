# SPDX-License-Identifier: Apache-2.0
"""Votes: which labeler graded which pair how. A labeler has at most one vote on a pair.

A grade runs from -3 (the pair's second answer is much better) over 0 (a tie) to 3 (the first one is much better).
Both-bad does not order the answers, so it is no vote. Every two answers of a ranking form a pair, and the ranking is a
vote on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from data.tables.comparison_columns import BOTH_BAD, REPEAT


@dataclass(frozen=True, slots=True)
class Votes:
    """Columns of equal length: pair, labeler (int64 each) and grade (int8, -3 to 3)."""

    pair: np.ndarray
    labeler: np.ndarray
    grade: np.ndarray

    def __len__(self) -> int:
        return len(self.pair)

    def select(self, rows: np.ndarray) -> Self:
        """Return the votes that a boolean mask or an array of positions selects."""
        return type(self)(self.pair[rows], self.labeler[rows], self.grade[rows])

    def on_shared_pairs(self) -> Self:
        """Return the votes on pairs that two or more labelers judged, sorted by pair."""
        votes = self.select(np.argsort(self.pair, kind="stable"))
        sizes = find_spans(votes.pair).sizes
        return votes.select(np.repeat(sizes > 1, sizes))


class Spans(NamedTuple):
    """The runs of equal neighbours in a column: their starts and their sizes, (S,) each."""

    starts: np.ndarray
    sizes: np.ndarray


def find_spans(column: np.ndarray) -> Spans:
    """Return the runs of equal neighbours in a column."""
    if not len(column):
        return Spans(np.zeros(0, np.int64), np.zeros(0, np.int64))
    starts = np.flatnonzero(np.concatenate([[True], column[1:] != column[:-1]]))
    return Spans(starts, np.diff(np.append(starts, len(column))))


def select_votes(events: np.ndarray) -> np.ndarray:
    """Return the rows of current comparisons that are votes.

    No both-bad, no planned repeat, one per pair and labeler.
    """
    candidates = events[(events["kind"] != BOTH_BAD) & (events["role"] != REPEAT)]
    keys = candidates["pair"] * (1 + candidates["labeler"].max(initial=0)) + candidates["labeler"]
    _, first = np.unique(keys, return_index=True)
    return candidates[np.sort(first)]


def votes_from_events(events: np.ndarray) -> Votes:
    """Return the votes among current comparisons (columns of `data.tables.comparison_columns`)."""
    rows = select_votes(events)
    return Votes(rows["pair"], rows["labeler"], rows["grade"])


def split_by_group(votes: Votes, group: np.ndarray) -> dict[int, Votes]:
    """Return the votes of each value of `group` (N,), by rising value, so that only votes of one group are compared."""
    order = np.argsort(group, kind="stable")
    starts, sizes = find_spans(group[order])
    return {
        int(group[order[start]]): votes.select(order[start : start + size])
        for start, size in zip(starts, sizes, strict=True)
    }
