# SPDX-License-Identifier: Apache-2.0
"""Confidence sequences: intervals of a mean that hold at every look at once, however often somebody looks.

The values lie between 0 and 1: wins, losses, and ties at one half. A bettor who believes that the mean is m starts with
a capital of 1. Before each value x he stakes so that the capital is multiplied by x p / m + (1 - x)(1 - p) / (1 - m).
That is 1 + b (x - m) with b = (p - m) / (m (1 - m)), which has mean 1 if m is true. So the capital is a martingale for
each p, and so is its average over p by fixed weights:

    K_n(m) = sum_k w_k prod_i (x_i p_k / m + (1 - x_i) (1 - p_k) / (1 - m))

By Ville's inequality it ever reaches 1 / alpha with a probability of at most alpha. The sequence is every m below that.
This is betting (Waudby-Smith and Ramdas 2024) with the mixture of bets of a universal portfolio (Cover 1991; Orabona
and Jun 2024). log K is convex in m and at most 0 at the mean of the values, so the set is an interval that holds the
mean. The order of the values does not matter, so a corrected or withdrawn value leaves no trace.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from data.intervals import Floats, Interval

ALPHA = 0.05
POINTS = (np.arange(200) + 0.5) / 200
"""The means p that the bettor expects."""
_DENSITY = POINTS * (1 - POINTS)
WEIGHTS = _DENSITY / _DENSITY.sum()
"""Beta(2, 2): of Beta(a, a) with a from 1 to 40 it decides soonest at true win rates of 60 % to 75 %."""
BELOW_HALF = 2 * WEIGHTS * (POINTS < 0.5)
"""The same for a bettor who expects a mean below one half."""
HALVINGS = 40


def log_capital(values: Floats, mean: float, weights: np.ndarray = WEIGHTS) -> float:
    """Return log K of the values for a supposed mean strictly between 0 and 1."""
    outcomes, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    if not len(outcomes):
        return 0.0
    factors = np.outer(outcomes / mean, POINTS) + np.outer((1 - outcomes) / (1 - mean), 1 - POINTS)
    logs = counts @ np.log(factors)
    top = logs.max()
    return float(top + math.log(np.exp(logs - top) @ weights))


def sequential_interval(values: Floats) -> Interval:
    """Return the 95 % interval of the mean of `values` that holds at every look; (0, 1) without a value."""
    if not len(values):
        return Interval(0.0, 1.0)
    mean = float(np.mean(values))
    return Interval(_end(values, mean, 0.0), _end(values, mean, 1.0))


def is_decided(values: Floats) -> bool:
    """Return whether the interval of the values excludes one half."""
    return log_capital(values, 0.5) >= -math.log(ALPHA)


def evidence_below_half(batches: Sequence[Floats], count: int) -> float:
    """Return the capital against "no value has a mean below one half", by bets that begin with any of `count` batches.

    `batches` are those so far. The capital is the mean over the beginnings: a bettor who begins later has 1 until then.
    It is a supermartingale like each of them, and reaches 1 / alpha with a probability of at most alpha. So a mean that
    falls late is found without the values before it.
    """
    begun = [np.concatenate(batches[first:]) for first in range(len(batches))]
    return (sum(math.exp(log_capital(each, 0.5, BELOW_HALF)) for each in begun) + count - len(begun)) / count


def _end(values: Floats, inside: float, outside: float) -> float:
    """Return the end of the interval between the values' mean and 0 or 1."""
    if inside == outside:
        return outside
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        if log_capital(values, middle) < -math.log(ALPHA):
            inside = middle
        else:
            outside = middle
    return inside
