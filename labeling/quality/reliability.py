# SPDX-License-Identifier: Apache-2.0
"""Reliability of labelers: a Bradley-Terry model with two effects of the labeler, fitted by EM.

A pair has an unknown strength d of its first answer over its second, d ~ N(0, 1). Labeler j prefers the first one with

    P(j prefers the first | d) = sigmoid(a_j d + b_j s),    s = 1 if the first is on the left, -1 if it is on the right.

`a_j` is the labeler's *discrimination*: 0 is a coin, and a negative value inverts the answers. `b_j` is the labeler's
*position bias* toward the left answer. With one labeler for all this is Bradley & Terry (1952). With pairs as persons
and labelers as items it is the two-parameter logistic model of item response theory, fitted by marginal maximum
likelihood with EM (Bock & Aitkin, Psychometrika 46, 1981): the E-step computes d's posterior on a grid, the M-step fits
each labeler's two numbers by Newton's method. Dawid & Skene (1979) have one error rate per labeler. This model also
knows that close pairs are harder, so a labeler of hard pairs does not look careless. A tie counts half for each answer.

The discriminations have a normal prior around their common mean and the biases one around 0, both of deviation 1. So a
labeler with few shared pairs stays near the others. The common mean is drawn towards 1 as by one more labeler; this
also fixes the sign of the whole scale. On gold pairs the sign of d is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labeling.quality.votes import Votes, find_spans

GRID = np.linspace(-4, 4, 33)
PRIOR = np.exp(-(GRID**2) / 2) / np.exp(-(GRID**2) / 2).sum()
ITERATIONS, TOLERANCE = 500, 1e-3
NEWTON_STEPS = 4


@dataclass(frozen=True, slots=True)
class Fit:
    """Columns of equal length, one row per labeler.

    `error`: standard error of `discrimination`; `votes`: on shared pairs.
    """

    labeler: np.ndarray
    discrimination: np.ndarray
    error: np.ndarray
    position_bias: np.ndarray
    votes: np.ndarray
    typical: float
    """The common mean of the discriminations, assumed of a labeler who shares no pair."""

    def weights(self, comparisons: dict[int, int]) -> dict[int, float]:
        """Return the weight of each labeler's comparisons: discrimination over its mean, weighted by `comparisons`.

        Near d = 0 a comparison moves the log-odds of a pair by a_j, so a_j is the relative worth of a labeler's vote.
        Below 0 it is worth nothing.
        """
        fitted = dict(zip(self.labeler.tolist(), np.maximum(self.discrimination, 0).tolist(), strict=True))
        worth = {labeler: fitted.get(labeler, max(self.typical, 0.0)) for labeler in comparisons}
        mean = sum(worth[labeler] * n for labeler, n in comparisons.items()) / max(1, sum(comparisons.values()))
        return {labeler: value / mean if mean > 0 else 1.0 for labeler, value in worth.items()}


@dataclass(frozen=True, slots=True)
class VoteGroups:
    """Pairs with equal votes, stored once with their number. Rows (R,) are votes, units (U,) are kinds of pairs."""

    labeler: np.ndarray
    side: np.ndarray
    prefers: np.ndarray
    starts: np.ndarray
    unit: np.ndarray
    weight: np.ndarray
    prior: np.ndarray


def fit(votes: Votes, left: np.ndarray, gold: np.ndarray | None = None) -> Fit:
    """Fit the model to the votes on gold pairs and on pairs that two or more labelers judged.

    `left` (N,): True if the pair's first answer was on the left. `gold` (N,): 1 if the first answer is known to be
    better, -1 if the second is, 0 if nothing is known.
    """
    gold = np.zeros(len(votes), np.int8) if gold is None else gold
    names, codes = np.unique(votes.labeler, return_inverse=True)
    groups = group_equal_votes(votes, codes, left, gold)
    a, b = np.ones(len(names)), np.zeros(len(names))
    for _ in range(ITERATIONS):
        posterior = expect(groups, a, b)
        before = a
        a, b = maximise(groups, posterior, a, b)
        if np.abs(a - before).max(initial=0.0) < TOLERANCE:
            break
    counts = np.bincount(groups.labeler, groups.weight[groups.unit], len(names))
    return Fit(
        names, a, standard_errors(groups, expect(groups, a, b), a, b), b, counts.astype(np.int64), common_mean(a)
    )


def common_mean(a: np.ndarray) -> float:
    """Return the common mean of the discriminations."""
    return float((a.sum() + 1) / (len(a) + 1))


def accuracy(discrimination: np.ndarray | float) -> np.ndarray:
    """Return the share of pairs that such a labeler orders correctly: the mean of sigmoid(a |d|) over d ~ N(0, 1)."""
    return sigmoid(np.multiply.outer(discrimination, np.abs(GRID))) @ PRIOR


def group_equal_votes(votes: Votes, labeler: np.ndarray, left: np.ndarray, gold: np.ndarray) -> VoteGroups:
    """Merge pairs with the same votes of the same labelers on the same sides into one unit with a weight."""
    order = np.argsort(votes.pair, kind="stable")
    starts, sizes = find_spans(votes.pair[order])
    used = np.repeat((sizes > 1) | (gold[order][starts] != 0 if len(starts) else False), sizes)
    order = order[used]
    labeler, left, known_sign, grade = (
        labeler[order],
        left[order].astype(np.int64),
        gold[order],
        np.sign(votes.grade[order]),
    )
    starts, sizes = find_spans(votes.pair[order])
    # A random number for each kind of vote: equal sums mean equal votes, but for a chance of about 2^-64.
    kinds = np.unique(((labeler * 2 + left) * 3 + grade + 1) * 3 + known_sign + 1, return_inverse=True)[1]
    numbers = np.random.default_rng(0).integers(1, 2**63, kinds.max(initial=0) + 1, dtype=np.uint64)
    keys = np.add.reduceat(numbers[kinds], starts) if len(starts) else np.zeros(0, np.uint64)
    _, first, weight = np.unique(keys, return_index=True, return_counts=True)
    rows = (
        np.concatenate([np.arange(starts[u], starts[u] + sizes[u]) for u in first])
        if len(first)
        else np.zeros(0, np.int64)
    )
    unit = np.repeat(np.arange(len(first)), sizes[first])
    signs = known_sign[starts[first]] if len(first) else np.zeros(0, np.int8)
    return VoteGroups(
        labeler[rows], left[rows], (grade[rows] + 1) / 2, find_spans(unit).starts, unit, weight, _prior(signs)
    )


def expect(groups: VoteGroups, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (U, K): the posterior of d on the grid, for each kind of pair."""
    if not len(groups.starts):
        return groups.prior
    for_first, for_second = _log_probabilities(a, b)
    place = groups.labeler, groups.side
    y = groups.prefers[:, None]
    rows = y * for_first[place] + (1 - y) * for_second[place]
    logs = np.add.reduceat(rows, groups.starts)
    posterior = groups.prior * np.exp(logs - logs.max(axis=1, keepdims=True))
    return posterior / posterior.sum(axis=1, keepdims=True)


def maximise(groups: VoteGroups, posterior: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the discriminations and position biases that fit the posteriors best, under the priors."""
    cell = groups.labeler * 2 + groups.side
    seen = groups.weight[groups.unit, None] * posterior[groups.unit]
    total, first = (
        _sums(cell, part, 2 * len(a)).reshape(len(a), 2, len(GRID)) for part in (seen, seen * groups.prefers[:, None])
    )
    side = np.array([-1.0, 1.0])[:, None]
    centre = common_mean(a)
    for _ in range(NEWTON_STEPS):
        p = sigmoid(_logits(a, b))
        slope, curve = first - total * p, total * p * (1 - p)
        g_a, g_b = (slope * GRID).sum((1, 2)) - (a - centre), (slope * side).sum((1, 2)) - b
        h_aa, h_bb = (curve * GRID**2).sum((1, 2)) + 1, curve.sum((1, 2)) + 1
        h_ab = (curve * GRID * side).sum((1, 2))
        determinant = h_aa * h_bb - h_ab**2
        a = a + np.clip((h_bb * g_a - h_ab * g_b) / determinant, -1, 1)
        b = b + np.clip((h_aa * g_b - h_ab * g_a) / determinant, -1, 1)
    return a, b


def standard_errors(groups: VoteGroups, posterior: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (J,) standard errors of the discriminations.

    They come from the outer product of each pair's score, with the precision of the priors added.
    """
    p = sigmoid(_logits(a, b))[groups.labeler, groups.side]
    slope = posterior[groups.unit] * (groups.prefers[:, None] - p)
    s_a, s_b = (slope * GRID).sum(axis=1), slope.sum(axis=1) * (2 * groups.side - 1)
    weight = groups.weight[groups.unit]
    i_aa, i_bb, i_ab = (
        np.bincount(groups.labeler, weight * x * y, len(a)) for x, y in ((s_a, s_a), (s_b, s_b), (s_a, s_b))
    )
    i_aa, i_bb = i_aa + 1, i_bb + 1
    return np.sqrt(i_bb / (i_aa * i_bb - i_ab**2))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) without overflow."""
    return (1 + np.tanh(x / 2)) / 2


def _logits(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (J, 2, K): a_j d + b_j s, the right side first."""
    return a[:, None, None] * GRID + b[:, None, None] * np.array([-1.0, 1.0])[:, None]


def _log_probabilities(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = _logits(a, b)
    return -np.logaddexp(0, -x), -np.logaddexp(0, x)


def _sums(cell: np.ndarray, rows: np.ndarray, cells: int) -> np.ndarray:
    """Return (cells, K): rows (R, K) summed by cell."""
    sums = np.zeros((cells, rows.shape[1]))
    order = np.argsort(cell, kind="stable")
    starts, _ = find_spans(cell[order])
    if len(starts):
        sums[cell[order][starts]] = np.add.reduceat(rows[order], starts)
    return sums


def _prior(signs: np.ndarray) -> np.ndarray:
    """Return (U, K): N(0, 1) on the grid; for gold pairs only the known side, with half of 0."""
    allowed = np.clip(np.sign(signs)[:, None] * np.sign(GRID) + 1, 0, 2) / 2
    prior = np.where(signs[:, None] == 0, PRIOR, PRIOR * allowed)
    return prior / prior.sum(axis=1, keepdims=True)
