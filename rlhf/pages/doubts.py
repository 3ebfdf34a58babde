# SPDX-License-Identifier: Apache-2.0
"""Doubts about a reward model that its report raises: reasons to label more before it drives a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from data.intervals import FEWEST

COIN = 0.5


class Unsure(NamedTuple):
    """The accuracy of a reward model on unseen comparisons, whose interval includes a coin's."""

    accuracy: float
    low: float
    high: float
    comparisons: int


class NoBetter(NamedTuple):
    """The accuracy of a reward model on test comparisons, which preferring the longer answer reaches as well."""

    accuracy: float
    baseline: float
    comparisons: int


def find_unsure(report: Mapping[str, Any]) -> Unsure | None:
    """Return the accuracy of a reward model if no measurement of it is clearly better than a coin; else None.

    Test prompts measure it, and for heads also the training prompts that cross-validation left out.
    """
    crossed = report.get("method", {}).get("cross_validated", {})
    measured = [
        Unsure(figures["accuracy"], figures["ci"][0], figures["ci"][1], figures[count])
        for figures, count in ((report, "test_comparisons"), (crossed, "comparisons"))
        if figures.get("accuracy") is not None and figures.get("ci")
    ]
    if not measured or any(figures.low > COIN for figures in measured):
        return None
    return max(measured, key=lambda figures: figures.comparisons)


def find_no_better(report: Mapping[str, Any]) -> NoBetter | None:
    """Return the accuracy of a reward model if preferring the longer answer is right as often; else None."""
    accuracy, baseline = report.get("accuracy"), report.get("length_baseline")
    decided = report.get("test_comparisons", 0) - report.get("ties", 0)
    if accuracy is None or baseline is None or accuracy > baseline or decided < FEWEST:
        return None
    return NoBetter(accuracy, baseline, decided)
