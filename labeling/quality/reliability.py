"""How reliable each labeler is: a Bradley-Terry model with two effects of the labeler, fitted by EM.

A pair has an unknown strength d of its first answer over its second, d ~ N(0, 1). Labeler j prefers the first one with

    P(j prefers the first | d) = sigmoid(a_j d + b_j s),    s = 1 where the first stands left, -1 where it stands right.

`a_j` is the labeler's *discrimination*: 0 is a coin, a negative one answers the wrong way round; `b_j` is the leaning to
the left side. With one labeler for all this is Bradley & Terry (1952); with pairs as persons and labelers as items it is
the two-parameter logistic model of item response theory, and the fit is its marginal maximum likelihood by EM (Bock &
Aitkin, Psychometrika 46, 1981): the E-step takes d's posterior on a grid, the M-step fits each labeler's two numbers by
Newton's method. Unlike Dawid & Skene's (1979) one rate of errors per labeler it knows that close pairs are harder, so
that nobody is called careless for having met the hard ones. A tie counts half for each answer.

The discriminations have a normal prior around their common mean and the leanings one around 0, both of deviation 1: a
labeler with few shared pairs stays near the others. The common mean is drawn towards 1 as by one more labeler, which
also says which way round the whole is to be read. On gold pairs the sign of d is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labeling.quality.agreement import Votes, spans

GRID = np.linspace(-4, 4, 33)
PRIOR = np.exp(-(GRID**2) / 2) / np.exp(-(GRID**2) / 2).sum()
ITERATIONS, TOLERANCE = 500, 1e-3
NEWTON_STEPS = 4


@dataclass(frozen=True, slots=True)
class Fit:
    """Columns of equal length, one row per labeler. `error` is the standard error of `discrimination`; `votes` on shared pairs."""

    labeler: np.ndarray
    discrimination: np.ndarray
    error: np.ndarray
    position_bias: np.ndarray
    votes: np.ndarray
    typical: float
    """The common mean of the discriminations: what is assumed of a labeler who shares no pair."""

    def weights(self, given: dict[int, int]) -> dict[int, float]:
        """Weight of a labeler's comparisons, by labeler: discrimination over its mean; `given` counts everybody's comparisons.

        Near d = 0 a comparison moves the log-odds of a pair by a_j: it is what the vote of a labeler is worth beside
        another's. Below 0 it is worth nothing.
        """
        known = dict(zip(self.labeler.tolist(), np.maximum(self.discrimination, 0).tolist(), strict=True))
        value = {labeler: known.get(labeler, max(self.typical, 0.0)) for labeler in given}
        mean = sum(value[labeler] * n for labeler, n in given.items()) / max(1, sum(given.values()))
        return {labeler: one / mean if mean > 0 else 1.0 for labeler, one in value.items()}


@dataclass(frozen=True, slots=True)
class Shapes:
    """Pairs that were judged alike, given once. Rows (R,) are votes, units (U,) are such pairs."""

    labeler: np.ndarray
    side: np.ndarray
    prefers: np.ndarray
    starts: np.ndarray
    unit: np.ndarray
    weight: np.ndarray
    prior: np.ndarray


def fit(votes: Votes, left: np.ndarray, gold: np.ndarray | None = None) -> Fit:
    """The model fitted to votes on pairs that two or more judged, and on gold pairs.

    `left` (N,): whether the pair's first answer stood left. `gold` (N,): 1 where the first answer is known to be the
    better, -1 the second, 0 where nothing is known.
    """
    gold = np.zeros(len(votes), np.int8) if gold is None else gold
    names, codes = np.unique(votes.labeler, return_inverse=True)
    shapes = alike(votes, codes, left, gold)
    a, b = np.ones(len(names)), np.zeros(len(names))
    for _ in range(ITERATIONS):
        posterior = expect(shapes, a, b)
        before = a
        a, b = maximise(shapes, posterior, a, b)
        if np.abs(a - before).max(initial=0.0) < TOLERANCE:
            break
    counts = np.bincount(shapes.labeler, shapes.weight[shapes.unit], len(names))
    return Fit(names, a, errors(shapes, expect(shapes, a, b), a, b), b, counts.astype(np.int64), common(a))


def common(a: np.ndarray) -> float:
    """The common mean of the discriminations."""
    return float((a.sum() + 1) / (len(a) + 1))


def accuracy(discrimination: np.ndarray | float) -> np.ndarray:
    """How often such a labeler orders a pair as it is: the mean of sigmoid(a |d|) over d ~ N(0, 1)."""
    return sigmoid(np.multiply.outer(discrimination, np.abs(GRID))) @ PRIOR


def alike(votes: Votes, labeler: np.ndarray, left: np.ndarray, gold: np.ndarray) -> Shapes:
    """Pairs with the same answers of the same labelers on the same sides become one, with a weight."""
    order = np.argsort(votes.pair, kind="stable")
    starts, sizes = spans(votes.pair[order])
    kept = np.repeat((sizes > 1) | (gold[order][starts] != 0 if len(starts) else False), sizes)
    order = order[kept]
    labeler, left, known, grade = labeler[order], left[order].astype(np.int64), gold[order], np.sign(votes.grade[order])
    starts, sizes = spans(votes.pair[order])
    # A random number for each kind of answer: pairs are alike where the sums are, but for odds of 1 in 2^64 or so.
    kinds = np.unique(((labeler * 2 + left) * 3 + grade + 1) * 3 + known + 1, return_inverse=True)[1]
    numbers = np.random.default_rng(0).integers(1, 2**63, kinds.max(initial=0) + 1, dtype=np.uint64)
    keys = np.add.reduceat(numbers[kinds], starts) if len(starts) else np.zeros(0, np.uint64)
    _, first, weight = np.unique(keys, return_index=True, return_counts=True)
    rows = (
        np.concatenate([np.arange(starts[u], starts[u] + sizes[u]) for u in first])
        if len(first)
        else np.zeros(0, np.int64)
    )
    unit = np.repeat(np.arange(len(first)), sizes[first])
    signs = known[starts[first]] if len(first) else np.zeros(0, np.int8)
    return Shapes(labeler[rows], left[rows], (grade[rows] + 1) / 2, spans(unit).starts, unit, weight, _prior(signs))


def expect(shapes: Shapes, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(U, K): the posterior of d on the grid, for each kind of pair."""
    if not len(shapes.starts):
        return shapes.prior
    for_first, for_second = _log_chances(a, b)
    place = shapes.labeler, shapes.side
    y = shapes.prefers[:, None]
    rows = y * for_first[place] + (1 - y) * for_second[place]
    found = np.add.reduceat(rows, shapes.starts)
    found = shapes.prior * np.exp(found - found.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


def maximise(shapes: Shapes, posterior: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The discriminations and leanings that fit the posteriors best, under the priors."""
    cell = shapes.labeler * 2 + shapes.side
    seen = shapes.weight[shapes.unit, None] * posterior[shapes.unit]
    total, first = (
        _sums(cell, part, 2 * len(a)).reshape(len(a), 2, len(GRID)) for part in (seen, seen * shapes.prefers[:, None])
    )
    side = np.array([-1.0, 1.0])[:, None]
    centre = common(a)
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


def errors(shapes: Shapes, posterior: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(J,) standard errors of the discriminations: from the outer product of each pair's score, with the priors' precision."""
    p = sigmoid(_logits(a, b))[shapes.labeler, shapes.side]
    slope = posterior[shapes.unit] * (shapes.prefers[:, None] - p)
    s_a, s_b = (slope * GRID).sum(axis=1), slope.sum(axis=1) * (2 * shapes.side - 1)
    weight = shapes.weight[shapes.unit]
    i_aa, i_bb, i_ab = (
        np.bincount(shapes.labeler, weight * x * y, len(a)) for x, y in ((s_a, s_a), (s_b, s_b), (s_a, s_b))
    )
    i_aa, i_bb = i_aa + 1, i_bb + 1
    return np.sqrt(i_bb / (i_aa * i_bb - i_ab**2))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), which cannot overflow."""
    return (1 + np.tanh(x / 2)) / 2


def _logits(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(J, 2, K): a_j d + b_j s, the right side first."""
    return a[:, None, None] * GRID + b[:, None, None] * np.array([-1.0, 1.0])[:, None]


def _log_chances(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = _logits(a, b)
    return -np.logaddexp(0, -x), -np.logaddexp(0, x)


def _sums(cell: np.ndarray, rows: np.ndarray, cells: int) -> np.ndarray:
    """(cells, K): rows (R, K) added up by their cell."""
    found = np.zeros((cells, rows.shape[1]))
    order = np.argsort(cell, kind="stable")
    starts, _ = spans(cell[order])
    if len(starts):
        found[cell[order][starts]] = np.add.reduceat(rows[order], starts)
    return found


def _prior(signs: np.ndarray) -> np.ndarray:
    """(U, K): N(0, 1) on the grid; on gold pairs only the side that is known, with half of 0."""
    allowed = np.clip(np.sign(signs)[:, None] * np.sign(GRID) + 1, 0, 2) / 2
    found = np.where(signs[:, None] == 0, PRIOR, PRIOR * allowed)
    return found / found.sum(axis=1, keepdims=True)
