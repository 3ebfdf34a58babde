# SPDX-License-Identifier: Apache-2.0
"""The learning curve of a reward model: its accuracy by the number of labels, and a forecast for more labels.

Each point is one training on a subset of the training comparisons, measured on the same test comparisons. The fit is
accuracy(n) = a - b n^-c with b >= 0 and a at most the ceiling (power laws of this form: Hestness et al., "Deep Learning
Scaling is Predictable, Empirically", 2017). Intervals resample the test prompts, for all points together. They do not
include the chance in the trainings themselves (the subset's labels, the seed).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.intervals import bootstrap_indices, percentile_interval
from labeling.texts.pages import stored_line
from reward.report.documents import Forecast, LearningCurve
from reward.report.scored import SEED, share_by_prompt, totals

SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Shares of the training comparisons to train on in addition to all of them, at the cost of 7/8 of a training."""
MORE = (100, 300, 1000)
FARTHEST = 4
"""The largest number of labels of a forecast, as a multiple of the labels of the run."""
FEWEST_POINTS, FEWEST_PROMPTS = 4, 20
DRAWS = 1000
RATES = np.geomspace(0.05, 2, 40)
"""The grid of exponents c."""


@dataclass(frozen=True, slots=True)
class Point:
    """A training on `labels` comparisons; `outcomes` holds 1, 0.5 or 0 for each test comparison (see `scored.right`)."""

    labels: int
    outcomes: np.ndarray


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """The law accuracy(n) = a - b (n / unit)^-c for D fits at once: a, b and c have the shape (D,)."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    unit: float

    def at(self, labels: float) -> np.ndarray:
        """Return the accuracy (D,) of each fit at this number of labels."""
        return self.a - self.b * (labels / self.unit) ** -self.c


def nested_subsets(prompts: Sequence[int], shares: Sequence[float] = SHARES, seed: int = SEED) -> list[list[int]]:
    """Return the row numbers of a subset for each share; `prompts` holds the prompt of each row.

    The prompts are put in one random order, and a subset takes whole prompts from its start until it holds at least its
    share of the rows. A smaller subset is thus part of every larger one.
    """
    distinct, index, counts = np.unique(np.asarray(prompts), return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(distinct))
    rank = np.argsort(order)[index]
    cumulated = np.cumsum(counts[order])
    sizes = [int(np.searchsorted(cumulated, share * len(index) - 1e-9)) + 1 for share in shares]
    return [np.flatnonzero(rank < size).tolist() for size in sizes]


def highest_accuracy(agreement: float) -> float:
    """Return (1 + sqrt(2 rate - 1)) / 2, the highest accuracy of any model if two labelers agree at this rate.

    Labelers prefer the more popular answer of a comparison with some probability q >= 1/2. Two of them agree with
    probability q^2 + (1-q)^2 = 1 - 2q + 2q^2, and the best model is right with probability q. By Jensen's inequality
    rate >= 1 - 2m + 2m^2 for the mean m of q over comparisons, hence m <= (1 + sqrt(2 rate - 1)) / 2. As also
    m >= rate, the best accuracy lies between rate and this bound.
    """
    return (1 + math.sqrt(max(0.0, 2 * agreement - 1))) / 2


def curve_report(points: Sequence[Point], prompts: Sequence[int], ceiling: float = 1.0) -> LearningCurve:
    """Return the curve as JSON: points with intervals, the fit, and the forecast, or in `note` why there is none.

    `prompts` holds the prompt of each test comparison; `ceiling` bounds a.
    """
    points = sorted(points, key=lambda point: point.labels)
    shares = [share_by_prompt(point.outcomes, prompts) for point in points]
    curve: LearningCurve = {
        "points": [
            {"labels": point.labels, "accuracy": share, "ci": interval}
            for point, (share, interval) in zip(points, shares, strict=True)
        ],
        "ceiling": ceiling,
        "fit": None,
        "forecast": [],
        "note": None,
    }
    samples = bootstrapped(points, prompts)
    curve["note"] = no_forecast_reason(points, prompts, samples)
    if curve["note"] is None:
        labels = np.array([point.labels for point in points], float)
        law = fit_power_law(labels, np.array([[share for share, _ in shares]], float), ceiling)
        sample_laws = fit_power_law(labels, samples, ceiling)
        curve["fit"] = {"a": float(law.a[0]), "b": float(law.b[0] * law.unit ** law.c[0]), "c": float(law.c[0])}
        curve["forecast"] = [_forecast(law, sample_laws, more) for more in MORE]
    return curve


def bootstrapped(points: Sequence[Point], prompts: Sequence[int]) -> np.ndarray:
    """Return the accuracies (draws, points) in bootstrap samples of the test prompts, shared by all points."""
    counts = totals(np.zeros(len(prompts)), prompts)[1]
    sums = np.stack([totals(point.outcomes, prompts)[0] for point in points], axis=1)
    return np.array(
        [sums[drawn].sum(axis=0) / counts[drawn].sum() for drawn in bootstrap_indices(len(counts), SEED, DRAWS)]
    )


def no_forecast_reason(points: Sequence[Point], prompts: Sequence[int], samples: np.ndarray) -> str | None:
    """Return why these points allow no forecast, None if they do; `samples` are their bootstrapped accuracies."""
    if len({point.labels for point in points}) < FEWEST_POINTS:
        return stored_line("note.forecast_sizes", needed=FEWEST_POINTS)
    tested = len(set(prompts))
    if tested < FEWEST_PROMPTS:
        missing = FEWEST_PROMPTS - tested
        return stored_line("note.forecast_prompts", missing=missing, tested=tested, needed=FEWEST_PROMPTS)
    low, high = percentile_interval(samples[:, -1] - samples[:, 0])
    if low <= 0:
        sizes = {"fewest": f"{points[0].labels:,}", "most": f"{points[-1].labels:,}"}
        return stored_line("note.forecast_flat", **sizes, low=f"{100 * low:+.1f}", high=f"{100 * high:+.1f}")
    return None


def fit_power_law(labels: np.ndarray, accuracy: np.ndarray, ceiling: float = 1.0) -> PowerLaw:
    """Fit accuracy (D, P) to labels (P,) by least squares under b >= 0 and a <= ceiling, with the best c of a grid."""
    unit = float(labels.max())
    fits = [_fit_given_rate((labels / unit) ** -rate, accuracy, ceiling) for rate in RATES]
    a, b, error = (np.stack(values, axis=1) for values in zip(*fits, strict=True))
    best = error.argmin(axis=1)
    rows = np.arange(len(accuracy))
    return PowerLaw(a[rows, best], b[rows, best], RATES[best], unit)


def _fit_given_rate(x: np.ndarray, y: np.ndarray, ceiling: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a, b and the squared error of y = a - b x, (D,) each.

    The minimum of a convex function under two bounds is the free minimum if that is allowed, else the best on a bound.
    """
    mean_x, mean_y = x.mean(), y.mean(axis=1)
    slope = -((x - mean_x) * (y - mean_y[:, None])).mean(axis=1) / x.var()
    free = mean_y + slope * mean_x, slope
    flat = np.minimum(mean_y, ceiling), np.zeros(len(y))
    capped = np.full(len(y), ceiling), np.maximum(0, ((ceiling - y) * x).sum(axis=1) / (x * x).sum())
    errors = [((y - a[:, None] + b[:, None] * x) ** 2).sum(axis=1) for a, b in (free, flat, capped)]
    errors[0] = np.where((slope >= 0) & (free[0] <= ceiling), errors[0], np.inf)
    choice = np.argmin(errors, axis=0)
    a, b = (np.choose(choice, parts) for parts in zip(free, flat, capped, strict=True))
    return a, b, np.min(errors, axis=0)


def _forecast(law: PowerLaw, sample_laws: PowerLaw, more: int) -> Forecast:
    """Return accuracy and gain of `more` labels with intervals from the laws of the bootstrap samples."""
    labels = law.unit + more
    if labels > FARTHEST * law.unit:
        return {"more": more, "labels": int(labels), "accuracy": None, "ci": None, "gain": None, "gain_ci": None}
    gains = sample_laws.at(labels) - sample_laws.at(law.unit)
    return {
        "more": more,
        "labels": int(labels),
        "accuracy": float(law.at(labels)[0]),
        "ci": list(percentile_interval(sample_laws.at(labels))),
        "gain": float(law.at(labels)[0] - law.at(law.unit)[0]),
        "gain_ci": list(percentile_interval(gains)),
    }
