# SPDX-License-Identifier: Apache-2.0
"""Krippendorff's alpha: agreement beyond chance, for any number of labelers and with missing answers.

Source of the formulas: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section D. Units with
equal counts are one row with their number, so a million pairs are a few dozen rows.

Shapes: `counts` is (U, V), how many of a unit's labelers gave each of V ordered values; `weights` is (U,), the number
of units with these counts. A unit with fewer than two values contains no pair and does not count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np

from data.intervals import Interval, percentile_interval

Level = Literal["nominal", "ordinal"]
SAME = 1e-9
"""Alphas whose difference is only rounding."""
DRAWS = 1000


def alpha(counts: np.ndarray, weights: np.ndarray, level: Level) -> float:
    """Return 1 - observed / expected disagreement; nan if all values are equal or no unit has two values."""
    return float(_alphas(coincidences(counts, weights[None]), level)[0])


def bootstrap_interval(counts: np.ndarray, resamples: Iterable[np.ndarray], level: Level) -> Interval:
    """Return the 95 % percentile interval of alpha over `resamples`, blocks of (D, U) weights.

    A resample in which all values are equal has no alpha and is left out. The interval is (nan, nan) if none has one,
    and if all have the same: resamples of units that are all alike tell nothing of others.
    """
    alphas = np.concatenate([_alphas(coincidences(counts, drawn), level) for drawn in resamples])
    alphas = alphas[~np.isnan(alphas)]
    if not alphas.size:
        return Interval(math.nan, math.nan)
    interval = percentile_interval(alphas)
    return interval if interval.high - interval.low > SAME else Interval(math.nan, math.nan)


def coincidences(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (D, V, V) for weights (D, U): o_ck, the sum over units of n_uc (n_uk - [c = k]) / (m_u - 1).

    n_uc counts value c in unit u; m_u counts all values of the unit.
    """
    has_pair, values = counts.sum(axis=1) >= 2, counts.shape[1]
    n = counts[has_pair].astype(np.float64)
    per_unit = n[:, :, None] * (n[:, None, :] - np.eye(values)) / (n.sum(axis=1) - 1)[:, None, None]
    return (weights[:, has_pair] @ per_unit.reshape(len(n), values * values)).reshape(-1, values, values)


def _alphas(o: np.ndarray, level: Level) -> np.ndarray:
    """Return (D,) alphas for coincidences (D, V, V): 1 - (n - 1) sum o_ck d_ck / sum n_c n_k d_ck.

    d_ck is the squared difference of values c and k; nan if the denominator is 0.
    """
    n_c = o.sum(axis=2)
    n = n_c.sum(axis=1)
    d = _squared_differences(n_c, level)
    observed = (o * d).sum(axis=(1, 2))
    expected = (n_c[:, :, None] * n_c[:, None, :] * d).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - (n - 1) * observed / expected, np.nan)


def _squared_differences(n_c: np.ndarray, level: Level) -> np.ndarray:
    """Return (D, V, V) squared differences of values: 0 or 1 for nominal values, distances of ranks for ordinal ones.

    Ordinal: (sum of n_g for g from c to k, less half of n_c + n_k) squared.
    """
    if level == "nominal":
        return np.broadcast_to(1 - np.eye(n_c.shape[1]), (*n_c.shape, n_c.shape[1]))
    mean_ranks = np.cumsum(n_c, axis=1) - n_c / 2  # the sum between two values is the difference of their mean ranks
    return (mean_ranks[:, :, None] - mean_ranks[:, None, :]) ** 2
