# SPDX-License-Identifier: Apache-2.0
"""The 95 % intervals of shares cover the truth: simulated, with truths drawn evenly, at four sizes of sample.

Below FEWEST units no share is printed. Intervals of few units are a little too wide rather than too narrow.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from data.intervals import ratio_interval, wilson_interval

Draw = Callable[[np.random.Generator, int], tuple[float, np.ndarray, np.ndarray]]
DRAWS = 1500
"""Simulated samples of each size: the coverage is known to 0.6 points (one standard error)."""


def wins(generator: np.random.Generator, units: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the true share, and the sum and number of each unit's outcomes: a win or a loss on each prompt."""
    truth = generator.random()
    return truth, (generator.random(units) < truth).astype(float), np.ones(units)


def wins_and_ties(generator: np.random.Generator, units: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Return wins, ties and losses, with chances drawn evenly."""
    loss, tie, win = generator.dirichlet([1, 1, 1])
    return win + tie / 2, generator.choice([0, 0.5, 1], units, p=[loss, tie, win]), np.ones(units)


def two_draws(generator: np.random.Generator, units: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the mean of two draws on each prompt, which resemble each other."""
    truth = generator.random()
    chances = generator.beta(truth + 1e-9, 1 - truth + 1e-9, units)
    return truth, generator.binomial(2, chances) / 2, np.ones(units)


def clusters(generator: np.random.Generator, units: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Return one to six comparisons of each prompt, which resemble each other."""
    truth = generator.random()
    chances = generator.beta(3 * truth + 1e-9, 3 * (1 - truth) + 1e-9, units)
    sizes = generator.integers(1, 7, units)
    return truth, generator.binomial(sizes, chances).astype(float), sizes.astype(float)


def coverage(draw: Draw, units: int) -> float:
    """Return the share of simulated samples whose interval holds the truth."""
    generator = np.random.default_rng(units)
    covered = 0
    for _ in range(DRAWS):
        truth, sums, sizes = draw(generator, units)
        low, high = ratio_interval(sums, sizes)
        covered += low <= truth <= high
    return covered / DRAWS


@pytest.mark.parametrize("units", [5, 20, 100, 1000])
@pytest.mark.parametrize("draw", [wins, wins_and_ties, two_draws, clusters])
def test_the_interval_of_a_share_covers_the_truth(draw, units):
    assert 0.93 <= coverage(draw, units) <= (0.98 if units == 5 else 0.97)


@pytest.mark.parametrize("units", [5, 20, 100, 1000])
def test_wilson_covers_the_truth(units):
    generator = np.random.default_rng(units)
    truths = generator.random(DRAWS)
    counts = generator.binomial(units, truths)
    intervals = [wilson_interval(int(count), units) for count in counts]
    covered = np.mean([low <= truth <= high for truth, (low, high) in zip(truths, intervals, strict=True)])
    assert 0.93 <= covered <= 0.97
