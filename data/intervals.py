"""Intervals that stand beside every rate and mean."""

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
    """Return the percentile interval of the mean over resamples of `values`, which are one per prompt.

    (nan, nan) for none.

    The same values and seed give the same interval.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.size == 0:
        return Interval(math.nan, math.nan)
    return percentile_interval([numbers[drawn].mean() for drawn in bootstrap_indices(numbers.size, seed)])


def bootstrap_indices(size: int, seed: int = 0, draws: int = DRAWS) -> Iterator[np.ndarray]:
    """Bootstrap samples of `size` things.

    (size,) numbers from 0, one sample at a time, so that memory stays that of the things.

    The same arguments give the same samples.
    """
    generator = np.random.default_rng(seed)
    return (generator.integers(0, size, size) for _ in range(draws))


def percentile_interval(found: Floats) -> Interval:
    """Return what holds the middle 95 % of the values that resampling found."""
    low, high = np.percentile(found, [2.5, 97.5])
    return Interval(float(low), float(high))


def bootstrap_share(values: Floats, seed: int = 0) -> Interval:
    """`bootstrap_mean` of very many values, most of them equal ones: wins, ties and losses by prompt."""
    distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    return bootstrap_counts(distinct, counts, seed)


def bootstrap_counts(values: Floats, counts: Counts, seed: int = 0, draws: int = DRAWS) -> Interval:
    """`bootstrap_mean` of values that occur `counts` times each: its cost does not grow with how often they occur.

    A resample of n units is one multinomial draw over the distinct values. (nan, nan) for no unit.
    """
    return bootstrap_ratio(values, np.ones(len(values)), counts, seed, draws)


def bootstrap_ratio(sums: Floats, sizes: Floats, counts: Counts, seed: int = 0, draws: int = DRAWS) -> Interval:
    """Return the percentile interval of a mean over things that come in units.

    `sums` over a unit's things, `sizes` how many they are, `counts` how often such a unit occurs.

    Whole units are resampled, since the things of one are not independent. (nan, nan) for no unit.
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
    """(at most BLOCK, U) draws of n units over U shares at a time: those of one call, and the memory of a block."""
    generator = np.random.default_rng(seed)
    return (generator.multinomial(n, shares, size=min(BLOCK, draws - start)) for start in range(0, draws, BLOCK))
