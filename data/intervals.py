# SPDX-License-Identifier: Apache-2.0
"""95 % intervals of rates and means: Wilson scores and bootstrap percentiles. Equal seeds give equal intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

DRAWS, BLOCK = 2000, 100
Floats = Sequence[float] | np.ndarray
Counts = Sequence[int] | np.ndarray


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


def wilson_interval(k: float, n: float, z: float = 1.959964) -> Interval:
    """Return the score interval for `k` successes in `n` trials (Wilson 1927); (0, 1) for no trial."""
    if n == 0:
        return Interval(0.0, 1.0)
    share = k / n
    middle = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return Interval(max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale))


def bootstrap_mean(values: Floats, seed: int = 0) -> Interval:
    """Return the percentile interval of the mean over resamples of `values`, one per prompt; (nan, nan) for none.

    The same values and seed give the same interval.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.size == 0:
        return Interval(math.nan, math.nan)
    return percentile_interval([numbers[drawn].mean() for drawn in bootstrap_indices(numbers.size, seed)])


def bootstrap_indices(size: int, seed: int = 0, draws: int = DRAWS) -> Iterator[np.ndarray]:
    """Yield bootstrap samples of `size` units: (size,) numbers from 0, one sample at a time.

    The same arguments give the same samples.
    """
    generator = np.random.default_rng(seed)
    return (generator.integers(0, size, size) for _ in range(draws))


def percentile_interval(values: Floats) -> Interval:
    """Return the interval between the 2.5th and the 97.5th percentile of resampled statistics."""
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(low), float(high))


def bootstrap_share(values: Floats, seed: int = 0) -> Interval:
    """Return `bootstrap_mean` of very many values, most of them equal: wins, ties and losses by prompt."""
    distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    return bootstrap_counts(distinct, counts, seed)


def bootstrap_counts(values: Floats, counts: Counts, seed: int = 0, draws: int = DRAWS) -> Interval:
    """Return `bootstrap_mean` of values that occur `counts` times each, at a cost that does not grow with the counts.

    A resample of n units is one multinomial draw over the distinct values. (nan, nan) for no unit.
    """
    return bootstrap_ratio(values, np.ones(len(values)), counts, seed, draws)


def bootstrap_ratio(sums: Floats, sizes: Floats, counts: Counts, seed: int = 0, draws: int = DRAWS) -> Interval:
    """Return the percentile interval of a mean over values that come in units; (nan, nan) for no unit.

    (U,) each: `sums` and `sizes` are the sum and number of a unit's values, `counts` the number of such units.
    Whole units are resampled, since the values of one are not independent.
    """
    totals, numbers = np.asarray(sums, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    times = np.asarray(counts, dtype=np.int64)
    n = int(times.sum())
    if n == 0:
        return Interval(math.nan, math.nan)
    return percentile_interval(
        np.concatenate([(drawn @ totals) / (drawn @ numbers) for drawn in multinomial_draws(n, times / n, seed, draws)])
    )


def multinomial_draws(n: int, shares: np.ndarray, seed: int, draws: int) -> Iterator[np.ndarray]:
    """Yield multinomial draws of n units over U shares in blocks (at most BLOCK, U), so memory holds one block."""
    generator = np.random.default_rng(seed)
    return (generator.multinomial(n, shares, size=min(BLOCK, draws - start)) for start in range(0, draws, BLOCK))
