# SPDX-License-Identifier: Apache-2.0
"""The types of a report's parts, as the report's JSON holds them. docs/reward.md describes the keys."""

from __future__ import annotations

from typing import NotRequired, TypedDict

Interval = list[float]
"""A 95 % interval: its lower and its upper limit."""


class Agreement(TypedDict):
    """The agreement between labelers of one source."""

    rate: float | None
    ci: list[float | None]
    pairs: int
    source: str


class Group(TypedDict):
    """The accuracy on a group of comparisons."""

    comparisons: int
    prompts: int
    accuracy: float | None
    ci: Interval | None


class MarginGroup(Group):
    """The comparisons with one strength of preference."""

    margin: int
    name: str


class LabelerGroup(Group):
    """The comparisons of one labeler, named by pseudonym."""

    labeler: str


class SideGroup(Group):
    """The comparisons whose better answer was shown on one side."""

    side: str


class Bias(TypedDict):
    """The shares of labelers' and the model's preferences for the answer with more of a feature."""

    prefers: str
    comparisons: int
    labelers: float | None
    labelers_ci: Interval | None
    model: float | None
    model_ci: Interval | None


class Bin(TypedDict):
    """A bin of the reliability diagram."""

    low: float
    high: float
    predicted: float
    observed: float | None
    ci: Interval | None
    comparisons: int


class Histogram(TypedDict):
    """Counts of raw scores in shared bins."""

    edges: list[float]
    chosen: list[int]
    rejected: list[int]


class Disagreement(TypedDict):
    """A comparison on which model and labeler disagree."""

    prompt: str
    preferred: str
    preferred_score: float
    model_prefers: str
    model_prefers_score: float
    margin: int
    difference: float
    confidence: float
    labeler: str
    comparison: str


class CurvePoint(TypedDict):
    """The accuracy of a training on some of the labels."""

    labels: int
    accuracy: float | None
    ci: Interval | None


class CurveFit(TypedDict):
    """The power law accuracy(n) = a - b n^-c."""

    a: float
    b: float
    c: float


class Forecast(TypedDict):
    """The expected accuracy and gain of more labels, None beyond the range of a forecast."""

    more: int
    labels: int
    accuracy: float | None
    ci: Interval | None
    gain: float | None
    gain_ci: Interval | None


class LearningCurve(TypedDict):
    """The measured points, and a forecast or the reason (`note`) why there is none.

    `stand_in` names the method that the points are of, if the reward model was trained by another one.
    """

    points: list[CurvePoint]
    ceiling: float
    fit: CurveFit | None
    forecast: list[Forecast]
    note: str | None
    stand_in: NotRequired[str]
