# SPDX-License-Identifier: Apache-2.0
"""Coverage by simulation: the share of samples whose printed 95 % interval holds the truth, at four sizes of sample.

Truths are drawn at random, so a figure is the mean coverage over many truths. `coverage` is the study of all figures
that docs/quality.md and docs/reward.md state.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import norm

from data.intervals import Interval
from labeling.quality.agreement import alpha_interval
from labeling.quality.krippendorff import Level
from labeling.quality.patterns import GRADES, VotePatterns, count_preferences
from reward.report.calibration import BINS, reliability, sigmoid
from reward.report.learning_curve import Point, curve_report
from tests.support import ROOT

RESULTS = ROOT / "docs" / "results" / "coverage.jsonl"
SIZES = (5, 20, 100, 1000)
LABELS = np.array([125.0, 250.0, 500.0, 1000.0])
SHARED = 0.7
"""Correlation of the latent difficulties that two trainings on nested subsets meet in one test comparison."""
STUDY_DRAWS = {"alpha": 250, "bins": 500, "forecast": 150}
Sample = Callable[[np.random.Generator, int], "tuple[float, Interval] | None"]
"""Returns (truth, printed interval) of a random sample with that number of units; None if nothing is printed."""


def simulate_coverage(sample: Sample, units: int, draws: int, seed: int) -> tuple[float, int]:
    """Return (share of intervals that hold the truth, number of printed intervals) in `draws` samples."""
    generator = np.random.default_rng([seed, units])
    printed = [result for _ in range(draws) if (result := sample(generator, units)) is not None]
    covered = [interval.low - 1e-9 <= truth <= interval.high + 1e-9 for truth, interval in printed]
    return (float(np.mean(covered)) if covered else float("nan")), len(printed)


def sample_alpha(level: Level) -> Sample:
    """Return the sampler of Krippendorff's alpha over pairs with two to four labelers.

    A pair's chances of the seven grades are Dirichlet with concentration c around common shares, so the true alpha is
    1 / (c + 1) for every level of measurement: expected products shrink by c / (c + 1) off the diagonal.
    """

    def sample(generator: np.random.Generator, units: int) -> tuple[float, Interval] | None:
        truth = generator.uniform(0.02, 0.98)
        shares = generator.dirichlet(np.ones(GRADES))
        chances = generator.dirichlet(np.maximum((1 - truth) / truth * shares, 1e-6), units)
        chances = np.nan_to_num(chances, nan=1 / GRADES)
        chances /= chances.sum(axis=1, keepdims=True)
        votes = generator.multinomial(generator.integers(2, 5, units), chances)
        counts, compared = np.unique(votes, axis=0, return_counts=True)
        empty = np.zeros((0, len(counts)), np.int64)
        patterns = VotePatterns(counts, compared, empty, np.zeros(0, np.int64))
        measured = alpha_interval(count_preferences(counts) if level == "nominal" else counts, patterns, level)
        if measured.value is None or measured.low is None or measured.high is None:
            return None
        return truth, Interval(measured.low, measured.high)

    return sample


def sample_bin(generator: np.random.Generator, units: int) -> tuple[float, Interval]:
    """Return the true share of labelers who agree in one bin of confidence, and the bin's interval.

    A unit is a prompt with one to three comparisons. The model is over- or underconfident by a random factor.
    """
    number, factor = int(generator.integers(BINS)), float(np.exp(generator.normal()))
    low = 0.5 + number / (2 * BINS)
    prompts = np.repeat(np.arange(units), generator.integers(1, 4, units))
    confidence = low + generator.uniform(1e-6, 1 / (2 * BINS) - 1e-6, len(prompts))
    difference = np.log(confidence / (1 - confidence))
    label = (generator.random(len(prompts)) < sigmoid(factor * difference)).astype(float)
    (found,) = reliability(difference, label, prompts)
    grid = np.linspace(low, low + 1 / (2 * BINS), 2002)[1:-1]
    return float(sigmoid(factor * np.log(grid / (1 - grid))).mean()), Interval(*found["ci"])


def sample_forecast(generator: np.random.Generator, units: int) -> tuple[float, Interval] | None:
    """Return the true accuracy with 300 more labels than 1,000, and the forecast's interval, if one is printed.

    A unit is a test prompt with one comparison. Accuracy follows a power law; trainings have no randomness of their own.
    """
    top, rate = generator.uniform(0.65, 0.95), generator.uniform(0.1, 1.5)
    start = generator.uniform(0.5, top)
    size = (top - start) / LABELS[0] ** -rate
    accuracy = top - size * LABELS**-rate
    shared, own = generator.normal(size=units), generator.normal(size=(len(LABELS), units))
    latent = norm.cdf(np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own)
    outcomes = (latent < accuracy[:, None]).astype(float)
    points = [Point(int(labels), row) for labels, row in zip(LABELS, outcomes, strict=True)]
    forecast = curve_report(points, range(units))["forecast"]
    if not forecast:
        return None
    low, high = forecast[1]["ci"] or (0.0, 1.0)
    return float(top - size * forecast[1]["labels"] ** -rate), Interval(low, high)


SAMPLERS: dict[str, tuple[Sample, str]] = {
    "alpha_nominal": (sample_alpha("nominal"), "alpha"),
    "alpha_ordinal": (sample_alpha("ordinal"), "alpha"),
    "calibration_bin": (sample_bin, "bins"),
    "forecast": (sample_forecast, "forecast"),
}


def coverage(folder: Path, *, seed: int) -> dict[str, dict[str, list[float | None]]]:
    """Return for each figure and size [coverage, printed intervals], by simulation with this seed.

    The coverage is None if no interval is printed.
    """
    shares: dict[str, dict[str, list[float | None]]] = {}
    for name, (sample, group) in SAMPLERS.items():
        for units in SIZES:
            share, printed = simulate_coverage(sample, units, STUDY_DRAWS[group], seed)
            shares.setdefault(name, {})[str(units)] = [share if printed else None, printed]
    return shares


def stated_coverage(figure: str, units: int) -> float:
    """Return the mean coverage of a figure's interval at a size of sample, over all seeds; nan without an interval."""
    rows = [json.loads(line)[figure][str(units)] for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    printed = sum(count for _, count in rows)
    return sum(share * count for share, count in rows if count) / printed if printed else float("nan")
