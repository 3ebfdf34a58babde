# SPDX-License-Identifier: Apache-2.0
"""The learning curve of a reward model: how its accuracy grew with the labels, and what more of them would bring.

Each point is one training on a subset of the training comparisons, judged by the same test comparisons. The fit is
accuracy(n) = a - b n^-c with b >= 0 and a at most the ceiling (power laws of this form: Hestness et al., "Deep Learning
Scaling is Predictable, Empirically", 2017). Intervals resample the test prompts, for all points together; the chance in
the trainings themselves (which labels the subset got, the seed) is not in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.intervals import bootstrap_indices, percentile_interval
from reward.report.scored import SEED, share_by_prompt, totals

SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Parts of the training comparisons that are trained on besides all of them: 7/8 of one more training."""
MORE = (100, 300, 1000)
FARTHEST = 4
"""Times the labels at hand: beyond that nothing is foretold."""
FEWEST_POINTS, FEWEST_PROMPTS = 4, 20
DRAWS = 1000
RATES = np.geomspace(0.05, 2, 40)
"""The exponents c that are tried."""


@dataclass(frozen=True, slots=True)
class Point:
    """A training on `labels` comparisons.

    For each test comparison whether the model orders it as labeled (1, 0.5, 0).
    """

    labels: int
    outcomes: np.ndarray


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """accuracy(n) = a - b (n / unit)^-c for D fits at once: a, b and c have the shape (D,)."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    unit: float

    def at(self, labels: float) -> np.ndarray:
        """Return the accuracy of each fit with so many labels, (D,)."""
        return self.a - self.b * (labels / self.unit) ** -self.c


def nested_subsets(prompts: Sequence[int], shares: Sequence[float] = SHARES, seed: int = SEED) -> list[list[int]]:
    """For each share the numbers of the rows of as few prompts, in one random order.

    As hold at least that share of the rows.

    `prompts` gives each row's prompt. A smaller subset lies in every larger one, and no prompt is split.
    """
    distinct, place, counts = np.unique(np.asarray(prompts), return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(distinct))
    rank = np.argsort(order)[place]
    held = np.cumsum(counts[order])
    taken = [int(np.searchsorted(held, share * len(place) - 1e-9)) + 1 for share in shares]
    return [np.flatnonzero(rank < prompts_in).tolist() for prompts_in in taken]


def highest_accuracy(agreement: float) -> float:
    """Return the accuracy that no model can pass where two labelers agree with this rate.

    (1 + sqrt(2 rate - 1)) / 2.

    Labelers prefer the favoured answer of a comparison with some probability q >= 1/2. Two of them agree with
    probability q^2 + (1-q)^2 = 1 - 2q + 2q^2, the best model is right with q. Over comparisons (Jensen): rate >= 1
    - 2m + 2m^2 for the mean m of q, hence m <= (1 + sqrt(2 rate - 1)) / 2. And m >= rate: the best accuracy lies
    between the two.
    """
    return (1 + math.sqrt(max(0.0, 2 * agreement - 1))) / 2


def curve_report(points: Sequence[Point], prompts: Sequence[int], ceiling: float = 1.0) -> dict[str, Any]:
    """Return the curve as JSON: points with intervals, the fit, and the forecast or in `note` why there is none.

    `prompts` are those of the test comparisons, whose outcomes each point holds; `ceiling` bounds a.
    """
    points = sorted(points, key=lambda point: point.labels)
    shares = [share_by_prompt(point.outcomes, prompts) for point in points]
    found = {
        "points": [
            {"labels": point.labels, "accuracy": share, "ci": interval}
            for point, (share, interval) in zip(points, shares, strict=True)
        ],
        "ceiling": ceiling,
        "fit": None,
        "forecast": [],
        "note": None,
    }
    drawn = bootstrapped(points, prompts)
    reason = cannot_tell(points, prompts, drawn)
    if reason:
        return found | {"note": reason}
    labels = np.array([point.labels for point in points], float)
    one = fit_power_law(labels, np.array([[share for share, _ in shares]]), ceiling)
    many = fit_power_law(labels, drawn, ceiling)
    fit = {"a": float(one.a[0]), "b": float(one.b[0] * one.unit ** one.c[0]), "c": float(one.c[0])}
    return found | {"fit": fit, "forecast": [_forecast(one, many, more) for more in MORE], "note": None}


def bootstrapped(points: Sequence[Point], prompts: Sequence[int]) -> np.ndarray:
    """Accuracy of every point in each bootstrap sample of the test prompts, the same sample for all points.

    (draws, points).
    """
    counts = totals(np.zeros(len(prompts)), prompts)[1]
    sums = np.stack([totals(point.outcomes, prompts)[0] for point in points], axis=1)
    return np.array(
        [sums[drawn].sum(axis=0) / counts[drawn].sum() for drawn in bootstrap_indices(len(counts), SEED, DRAWS)]
    )


def cannot_tell(points: Sequence[Point], prompts: Sequence[int], drawn: np.ndarray) -> str | None:
    """Why nothing can be foretold from these points, or None. `drawn` are their bootstrapped accuracies."""
    if len({point.labels for point in points}) < FEWEST_POINTS:
        return f"no forecast of more labels: a forecast needs {FEWEST_POINTS} sizes of the training set"
    tested = len(set(prompts))
    if tested < FEWEST_PROMPTS:
        return f"no forecast of more labels: {tested} test prompts have labels, a forecast needs {FEWEST_PROMPTS}"
    low, high = percentile_interval(drawn[:, -1] - drawn[:, 0])
    if low <= 0:
        return (
            "no forecast of more labels: from "
            f"{points[0].labels:,} to {points[-1].labels:,} labels accuracy changed by {100 * low:+.1f} to {100 * high:+.1f} points (95 %), "
            "which may be no rise at all"
        )
    return None


def fit_power_law(labels: np.ndarray, accuracy: np.ndarray, ceiling: float = 1.0) -> PowerLaw:
    """Least squares of accuracy (D, P) on labels (P,) under b >= 0 and a <= ceiling, for each c of a grid.

    The best c wins.
    """
    unit = float(labels.max())
    tried = [_fit_given_rate((labels / unit) ** -rate, accuracy, ceiling) for rate in RATES]
    a, b, error = (np.stack(values, axis=1) for values in zip(*tried, strict=True))
    best = error.argmin(axis=1)
    each = np.arange(len(accuracy))
    return PowerLaw(a[each, best], b[each, best], RATES[best], unit)


def _fit_given_rate(x: np.ndarray, y: np.ndarray, ceiling: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a, b and the squared error of y = a - b x, (D,) each.

    The minimum of a convex function over two bounds is the free one where that is allowed, else the best on a
    bound.
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


def _forecast(one: PowerLaw, many: PowerLaw, more: int) -> dict[str, Any]:
    """Return what so many more labels bring: accuracy and gain with intervals.

    None beyond the range of a forecast.
    """
    labels = one.unit + more
    if labels > FARTHEST * one.unit:
        return {"more": more, "labels": int(labels), "accuracy": None, "ci": None, "gain": None, "gain_ci": None}
    gains = many.at(labels) - many.at(one.unit)
    return {
        "more": more,
        "labels": int(labels),
        "accuracy": float(one.at(labels)[0]),
        "ci": list(percentile_interval(many.at(labels))),
        "gain": float(one.at(labels)[0] - one.at(one.unit)[0]),
        "gain_ci": list(percentile_interval(gains)),
    }
