"""Krippendorff's alpha: agreement beyond chance, for any number of labelers and with missing answers.

Source of the formulas: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section D. Units that look
alike are given once, with how many there are of them, so that a million pairs are a few dozen rows.

Shapes: `counts` is (U, V), how many of a unit's labelers gave each of V ordered values; `weights` is (U,), how many
units look like that. Units with fewer than two values pair nothing and do not count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np

from data.intervals import Interval, multinomial_draws

Level = Literal["nominal", "ordinal"]
DRAWS = 1000


def alpha(counts: np.ndarray, weights: np.ndarray, level: Level) -> float:
    """1 - observed disagreement / disagreement expected by chance; nan where all values are one, or nothing is paired."""
    return float(_alpha(coincidences(counts, weights[None]), level)[0])


def alpha_interval(
    counts: np.ndarray, weights: np.ndarray, level: Level, *, seed: int = 0, draws: int = DRAWS
) -> Interval:
    """The 95 % percentile interval over resamples of units; (nan, nan) where fewer than two units pair anything."""
    counts, weights = _paired(counts, weights)
    units = int(weights.sum())
    if units < 2:
        return Interval(math.nan, math.nan)
    return interval_of(counts, multinomial_draws(units, weights / units, seed, draws), level)


def interval_of(counts: np.ndarray, resamples: Iterable[np.ndarray], level: Level) -> Interval:
    """The same over `resamples`, each (D, U) weights. A resample in which all values are one has no alpha and is left out."""
    found = np.concatenate([_alpha(coincidences(counts, drawn), level) for drawn in resamples])
    found = found[~np.isnan(found)]
    if not found.size:
        return Interval(math.nan, math.nan)
    low, high = np.percentile(found, [2.5, 97.5])
    return Interval(float(low), float(high))


def coincidences(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(D, V, V) for weights (D, U): o_ck, the sum over units of n_uc (n_uk - [c = k]) / (m_u - 1), m_u values in a unit."""
    kept, values = counts.sum(axis=1) >= 2, counts.shape[1]
    n = counts[kept].astype(np.float64)
    each = n[:, :, None] * (n[:, None, :] - np.eye(values)) / (n.sum(axis=1) - 1)[:, None, None]
    return (weights[:, kept] @ each.reshape(len(each), values * values)).reshape(-1, values, values)


def _paired(counts: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kept = counts.sum(axis=1) >= 2
    return counts[kept], weights[kept]


def _alpha(o: np.ndarray, level: Level) -> np.ndarray:
    """(D,) for coincidences (D, V, V): 1 - (n - 1) sum o_ck d_ck / sum n_c n_k d_ck, d the squared difference."""
    n_c = o.sum(axis=2)
    n = n_c.sum(axis=1)
    d = _differences(n_c, level)
    observed = (o * d).sum(axis=(1, 2))
    expected = (n_c[:, :, None] * n_c[:, None, :] * d).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - (n - 1) * observed / expected, np.nan)


def _differences(n_c: np.ndarray, level: Level) -> np.ndarray:
    """(D, V, V) squared differences of values: 1 where nominal ones differ; for ordinal ones the ranks that lie between.

    Ordinal: (sum of n_g for g from c to k, less half of n_c + n_k) squared.
    """
    if level == "nominal":
        return np.broadcast_to(1 - np.eye(n_c.shape[1]), (*n_c.shape, n_c.shape[1]))
    middle = np.cumsum(n_c, axis=1) - n_c / 2  # a value's mean rank; the span between two is their difference
    return (middle[:, :, None] - middle[:, None, :]) ** 2
