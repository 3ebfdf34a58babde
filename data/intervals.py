# SPDX-License-Identifier: Apache-2.0
"""95 % intervals of shares: Wilson's score, also over units of several values, and resamples for other statistics.

Equal seeds give equal resamples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

DRAWS, BLOCK = 2000, 100
FEWEST = 10
"""Units below which pages and commands print no share, but "too few to say" with their number."""
SMALLEST_VARIANCE = 1e-12
METHOD = "wilson"
"""The method that stored reports name for their intervals. Reports of earlier versions name none."""
NORMAL = 1.959964
"""Standard errors on either side of a 95 % interval."""
Floats = Sequence[float] | np.ndarray
Counts = Sequence[int] | np.ndarray


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


def wilson_interval(k: float, n: float, z: float = NORMAL) -> Interval:
    """Return the score interval for `k` successes in `n` trials (Wilson 1927); (0, 1) for no trial."""
    if n == 0:
        return Interval(0.0, 1.0)
    share = k / n
    middle = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return Interval(max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale))


def shown_interval(share: float, interval: Sequence[float] | None, n: int | None = None) -> Sequence[float] | None:
    """Return the stored interval of a share. One of width zero is computed again from `n` units, or None without `n`.

    Earlier versions stored intervals of width zero.
    """
    if interval is None or interval[0] != interval[1]:
        return interval
    return wilson_interval(share * n, n) if n else None


def share_interval(values: Floats) -> Interval:
    """Return the interval of the mean of `values` between 0 and 1, one per independent unit; (nan, nan) for none.

    See `ratio_interval`.
    """
    numbers = np.asarray(values, dtype=np.float64)
    return ratio_interval(numbers, np.ones(numbers.size))


def ratio_interval(sums: Floats, sizes: Floats, counts: Counts | None = None) -> Interval:
    """Return the interval of a mean over values between 0 and 1 that come in units; (nan, nan) for no unit.

    (U,) each: `sums` and `sizes` are the sum and number of a unit's values, such as a prompt's comparisons. `counts` is
    the number of such units, by default one.

    Wilson's interval at an effective number of units: n over the design effect. The design effect is the variance of
    the ratio by Taylor linearisation over that of a binary outcome per unit (Kish 1965; Korn and Graubard 1998). One
    unit with a design effect of 1 is added, so equal outcomes never give an interval of width zero.
    tests/data/test_coverage.py measures how often it covers the truth.
    """
    totals, numbers = np.asarray(sums, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    times = np.ones(len(totals)) if counts is None else np.asarray(counts, dtype=np.float64)
    n = float(times.sum())
    if n == 0:
        return Interval(math.nan, math.nan)
    size = float(times @ numbers)
    share = min(1.0, max(0.0, float(times @ totals) / size))
    binary = share * (1 - share)
    effect = 1.0
    if n > 1 and binary > SMALLEST_VARIANCE:
        deviations = totals - share * numbers
        variance = float(times @ deviations**2) / size**2 * n / (n - 1)
        effect = variance * n / binary
    effect = (effect * (n - 1) + 1) / n
    return wilson_interval(share * n / effect, n / effect)


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


def multinomial_draws(n: int, shares: np.ndarray, seed: int, draws: int) -> Iterator[np.ndarray]:
    """Yield multinomial draws of n units over U shares in blocks (at most BLOCK, U), so memory holds one block."""
    generator = np.random.default_rng(seed)
    return (generator.multinomial(n, shares, size=min(BLOCK, draws - start)) for start in range(0, draws, BLOCK))
