# SPDX-License-Identifier: Apache-2.0
"""Counts of votes by pair, kept up to date: a pair with a new event is taken out of them and put in again.

The tables of two sets of pairs add up to that of both. So figures on a million comparisons need only the pairs that
changed. Tables hold whole numbers, so no rounding adds up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import numpy as np

from labeling.quality.patterns import pair_up_votes, pattern_keys
from labeling.quality.votes import Votes, find_spans, select_votes

VERSIONS = 100_000
"""More than the guideline versions of a project: project * VERSIONS + version is one key."""
GROUPINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "project": lambda rows: rows["project"].astype(np.int64),
    "guideline": lambda rows: rows["project"].astype(np.int64) * VERSIONS + rows["version"],
    "batch": lambda rows: rows["run"].astype(np.int64),
}
"""The group of each row: its project, its guideline version, or the run that made the pair."""
WHOLE = "whole"


class Table(NamedTuple):
    """Counts of distinct rows of whole numbers: `keys` (K, C) in their order, and `counts` (K,), all above 0."""

    keys: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, *columns: np.ndarray, counts: np.ndarray | None = None) -> Self:
        """Count the rows of these columns, each once or as often as `counts` says."""
        keys = np.stack(columns, axis=1).astype(np.int64)
        counts = np.ones(len(keys), np.int64) if counts is None else counts
        order = np.lexsort(keys.T[::-1])
        keys, counts = keys[order], counts[order]
        if not len(keys):
            return cls(keys, counts)
        starts = np.flatnonzero(np.concatenate([[True], (keys[1:] != keys[:-1]).any(axis=1)]))
        sums = np.add.reduceat(counts, starts)
        return cls(keys[starts][sums != 0], sums[sums != 0])

    def plus(self, other: Table, times: int = 1) -> Table:
        """Return the sum of two tables; with `times` -1 the difference."""
        keys = np.concatenate([self.keys, other.keys])
        return Table.of(*keys.T, counts=np.concatenate([self.counts, times * other.counts]))

    def of_group(self, group: int) -> Table:
        """Return the rows whose first number is `group`, without it."""
        rows = self.keys[:, 0] == group
        return Table(self.keys[rows, 1:], self.counts[rows])


Tables = dict[str, Table]


def tabulate(events: np.ndarray, excluded: Sequence[int], grouped: Sequence[str] | None = None) -> Tables:
    """Return the tables of current comparisons.

    `others` has (labeler, twice the sum of agreements with the others, their number). `everybody` and `pairs` have
    (group, labeler, labeler, twice the agreement), and `patterns` has (group, pattern). The last two omit `excluded`
    labelers. They exist for WHOLE and for the groupings `grouped`, by default those with several groups. `votes` has
    (group).
    """
    rows = select_votes(events)
    included = rows[~np.isin(rows["labeler"], excluded)]
    tables = {f"votes {name}": Table.of(group_of(included)) for name, group_of in GROUPINGS.items()}
    if grouped is None:
        grouped = [name for name in GROUPINGS if len(tables[f"votes {name}"].counts) > 1]
    groups = {WHOLE: np.zeros(len(included), np.int64)} | {name: GROUPINGS[name](included) for name in grouped}
    for name, group in groups.items():
        tables[f"pairs {name}"], tables[f"patterns {name}"] = _pairs_and_patterns(included, group)
    tables["others"] = _others(rows)
    tables["everybody"] = tables[f"pairs {WHOLE}"]
    if len(excluded):
        tables["everybody"], _ = _pairs_and_patterns(rows, np.zeros(len(rows), np.int64))
    return tables


class PairTables:
    """The tables of all events that were read, by the comparisons that `select` takes of them."""

    def __init__(self, select: Callable[[np.ndarray], np.ndarray]) -> None:
        self.select = select
        self.tables: Tables = {}
        self.tabulated = 0
        """Comparisons that the last update counted: of the pairs that changed, else all."""
        self._rowids = np.zeros(0, np.int64)
        self._excluded: tuple[int, ...] = ()

    def update(self, events: np.ndarray, excluded: Sequence[int]) -> Tables:
        """Return the tables of these events.

        Counts from scratch unless the events begin with those of the last update.
        """
        known, self.tabulated = len(self._rowids), 0
        before = events["rowid"][:known]
        if known and self._excluded == tuple(excluded) and np.array_equal(before, self._rowids):
            self._replace(events, known)
        else:
            self.tables = {}
        if not self.tables or self._lacks_grouping():
            chosen = self.select(events)
            self.tables, self.tabulated = tabulate(chosen, excluded), len(chosen)
        self._rowids, self._excluded = events["rowid"].copy(), tuple(excluded)
        return self.tables

    def _replace(self, events: np.ndarray, known: int) -> None:
        """Take the pairs with new events out and put them in again."""
        if known == len(events):
            return
        at = np.flatnonzero(np.isin(events["pair"], events["pair"][known:]))
        grouped = [name for name in GROUPINGS if f"pairs {name}" in self.tables]
        old, new = (self.select(events[rows]) for rows in (at[at < known], at))
        self.tabulated = len(new)
        removed, added = (tabulate(part, self._excluded, grouped) for part in (old, new))
        self.tables = {name: table.plus(removed[name], -1).plus(added[name]) for name, table in self.tables.items()}

    def _lacks_grouping(self) -> bool:
        several = [name for name in GROUPINGS if len(self.tables[f"votes {name}"].counts) > 1]
        return any(f"pairs {name}" not in self.tables for name in several)


def _pairs_and_patterns(rows: np.ndarray, group: np.ndarray) -> tuple[Table, Table]:
    """Return the tables of every two labelers and of the patterns of votes; only votes of one group are compared."""
    groups, number = np.unique(group, return_inverse=True)
    labelers, place = np.unique(rows["labeler"], return_inverse=True)
    unit = rows["pair"] * max(1, len(groups)) + number
    shared = Votes(unit, place, rows["grade"]).on_shared_pairs()
    if not len(shared):
        return Table.of(*np.zeros((4, 0))), Table.of(*np.zeros((2, 0)))
    first, second, of, score = pair_up_votes(shared)
    code = ((of % len(groups) * len(labelers) + first) * len(labelers) + second) * 3 + (2 * score).astype(np.int64)
    codes, counts = np.unique(code, return_counts=True)
    rest, twice = np.divmod(codes, 3)
    rest, second = np.divmod(rest, len(labelers))
    at, first = np.divmod(rest, len(labelers))
    pairs = Table.of(groups[at], labelers[first], labelers[second], twice, counts=counts)
    units, keys = pattern_keys(shared)
    return pairs, Table.of(groups[units % len(groups)], keys)


def _others(rows: np.ndarray) -> Table:
    """Return the table of each labeler's agreement with the others of a pair."""
    labelers, place = np.unique(rows["labeler"], return_inverse=True)
    shared = Votes(rows["pair"], place, rows["grade"]).on_shared_pairs()
    return Table.of(labelers[shared.labeler], *agreement_with_others(shared))


def agreement_with_others(shared: Votes) -> tuple[np.ndarray, np.ndarray]:
    """Return for each vote twice the sum of its agreements with the others on its pair, and their number."""
    if not len(shared):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    starts, sizes = find_spans(shared.pair)
    unit, m = np.repeat(np.arange(len(starts)), sizes), np.repeat(sizes, sizes)
    sign = np.sign(shared.grade.astype(np.int64))
    counts = np.stack([np.add.reduceat((sign == value).astype(np.int64), starts) for value in (-1, 0, 1)], axis=1)[unit]
    same = np.take_along_axis(counts, sign[:, None] + 1, axis=1)[:, 0] - 1
    one_tie = np.where(sign == 0, m - counts[:, 1], counts[:, 1])
    return 2 * same + one_tie, m - 1
