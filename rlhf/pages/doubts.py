# SPDX-License-Identifier: Apache-2.0
"""A doubt about a reward model that its report raises: a reason to label more before it drives a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from data.intervals import FEWEST

COIN = 0.5


class Measured(NamedTuple):
    """The accuracy of a reward model on comparisons that it did not learn from, with its interval.

    `baseline`: the accuracy of preferring the longer answer of the same comparisons; None if that is unknown.
    """

    accuracy: float
    low: float
    high: float
    comparisons: int
    baseline: float | None = None


class Doubt(NamedTuple):
    """Figures of a reward model that may be no better than a coin, or than preferring the longer answer (`length`)."""

    than: Literal["coin", "length"]
    measured: Measured


def find_doubt(report: Mapping[str, Any]) -> Doubt | None:
    """Return the doubt about a reward model; None if the interval of a measurement is above the coin and length.

    Test prompts measure it, and for heads also the training prompts that cross-validation left out.
    """
    crossed = report.get("method", {}).get("cross_validated", {})
    measured = [
        Measured(figures["accuracy"], low, high, figures[count], figures.get("length_baseline"))
        for figures, count in ((report, "test_comparisons"), (crossed, "comparisons"))
        if figures.get("accuracy") is not None and figures.get("ci")
        for low, high in (figures["ci"],)
    ]
    if measured and all(each.low <= COIN for each in measured):
        return Doubt("coin", _largest(measured))
    known = [each for each in measured if each.baseline is not None and each.comparisons >= FEWEST]
    if known and all(each.low <= (each.baseline or 0) for each in known):
        return Doubt("length", _largest(known))
    return None


def _largest(measured: Sequence[Measured]) -> Measured:
    return max(measured, key=lambda each: each.comparisons)
