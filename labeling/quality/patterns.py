# SPDX-License-Identifier: Apache-2.0
"""Vote patterns: pairs with the same counts of grades, stored once with their number.

A million pairs have a few dozen patterns, so figures and their resamples cost little. The pairs of one ranking are not
independent. So resamples draw *units*: compared pairs, and whole ranking tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from data.intervals import multinomial_draws
from data.store import Store
from data.tables.comparison_columns import current_mask, unit_ids
from data.tables.verdicts import SOURCES
from labeling.quality.votes import Votes, find_spans, votes_from_events

GRADES = 7
BITS = 9
"""A pair's counts of the seven grades are digits of one number, so at most 511 labelers share a pair."""


class VotePatterns(NamedTuple):
    """Pairs by pattern.

    `counts` (U, 7): labelers per grade, from -3 on; `compared` (U,): compared pairs with the pattern.
    `tasks` (T, U): pairs with each pattern in a ranking task; `times` (T,): tasks with exactly these pairs.
    """

    counts: np.ndarray
    compared: np.ndarray
    tasks: np.ndarray
    times: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """(U,) pairs with each pattern, compared or ranked."""
        return self.compared + self.times @ self.tasks

    @property
    def units(self) -> np.ndarray:
        """(U + T,) occurrences of each kind of unit: compared pairs, then tasks."""
        return np.concatenate([self.compared, self.times])

    def sum_by_unit(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sum of the scores (U,) of a unit's pairs and its number of pairs, (U + T,) each."""
        sizes = np.concatenate([np.ones(len(scores)), self.tasks.sum(axis=1)])
        return np.concatenate([scores, self.tasks @ scores]), sizes

    def resample(self, seed: int, draws: int) -> Iterator[np.ndarray]:
        """Yield blocks of (D, U) weights of all pairs: resamples of units."""
        total, patterns = int(self.units.sum()), len(self.compared)
        for drawn in multinomial_draws(total, self.units / total, seed, draws):
            yield drawn[:, :patterns] + drawn[:, patterns:] @ self.tasks


def load_patterns(store: Store, source: str = "person") -> VotePatterns:
    """Return the patterns of pairs that two or more labelers of a source judged, as the store has them now."""
    events = store.comparison_columns.cached()
    events = np.concatenate([events[current_mask(events)], store.comparison_columns.rankings()])
    return count_patterns(votes_from_events(events[events["source"] == SOURCES.index(source)]).on_shared_pairs())


def count_patterns(shared: Votes) -> VotePatterns:
    """Return the distinct patterns; `shared` has the votes of a pair side by side."""
    pairs, keys = pattern_keys(shared)
    compared, counts = np.unique(keys[pairs >= 0], return_counts=True)
    return join_patterns(compared, counts, pairs[pairs < 0], keys[pairs < 0])


def pattern_keys(shared: Votes) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs and the number that stands for each one's pattern."""
    starts, _ = find_spans(shared.pair)
    if not len(starts):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    digits = np.int64(1) << (BITS * (shared.grade.astype(np.int64) + 3))
    return shared.pair[starts], np.add.reduceat(digits, starts)


def join_patterns(
    compared: np.ndarray, times: np.ndarray, ranked_pairs: np.ndarray, ranked_keys: np.ndarray
) -> VotePatterns:
    """Return the patterns of compared pairs, each with its number of `times`, and those of ranked pairs."""
    keys = np.union1d(compared, ranked_keys)
    if not len(keys):
        empty = np.zeros(0, np.int64)
        return VotePatterns(np.zeros((0, GRADES), np.int64), empty, np.zeros((0, 0), np.int64), empty)
    counts = keys[:, None] >> (BITS * np.arange(GRADES)) & ((1 << BITS) - 1)
    weights = np.zeros(len(keys), np.int64)
    weights[np.searchsorted(keys, compared)] = times
    ranked, task = np.unique(unit_ids(ranked_pairs), return_inverse=True)
    tasks = np.zeros((len(ranked), len(keys)), np.int64)
    np.add.at(tasks, (task, np.searchsorted(keys, ranked_keys)), 1)
    return VotePatterns(counts, weights, *np.unique(tasks, axis=0, return_counts=True))


def count_preferences(counts: np.ndarray) -> np.ndarray:
    """Return (U, 3): labelers who preferred the first answer, neither, the second.

    `counts` (U, 7) as in `VotePatterns`.
    """
    return np.stack([counts[:, 4:].sum(axis=1), counts[:, 3], counts[:, :3].sum(axis=1)], axis=1)


def pair_scores(preferences: np.ndarray) -> np.ndarray:
    """Return (U,): a pair's mean agreement over its pairs of labelers.

    `preferences` (U, 3) counts first, tie, second.
    """
    n = preferences.astype(np.float64)
    m, ties = n.sum(axis=1), n[:, 1]
    same = (n * (n - 1)).sum(axis=1)
    one_tie = 2 * ties * (m - ties)  # ordered pairs of labelers in which exactly one calls it a tie
    return (same + one_tie / 2) / (m * (m - 1))


def pair_up_votes(shared: Votes) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return every two votes on one pair: smaller and larger labeler id, pair, agreement (1, 0.5 or 0)."""
    starts, sizes = find_spans(shared.pair)
    firsts, seconds = [], []
    for size in np.unique(sizes):
        first, second = np.triu_indices(size, 1)
        begin = starts[sizes == size][:, None]
        firsts.append((begin + first).ravel())
        seconds.append((begin + second).ravel())
    i, j = (np.concatenate(parts) if parts else np.zeros(0, np.int64) for parts in (firsts, seconds))
    a, b, x, y = shared.labeler[i], shared.labeler[j], np.sign(shared.grade[i]), np.sign(shared.grade[j])
    return np.minimum(a, b), np.maximum(a, b), shared.pair[i], 1 - np.abs(x - y) / 2
