# SPDX-License-Identifier: Apache-2.0
"""The plots of a reward model's report: each a figure with a title that says what it shows; empty text without data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from reward.report.groups import MARGINS
from reward.report.svg_chart import STYLES, Chart, round_ticks, share_ticks

Report = Mapping[str, Any]
DOTS = {"main": "●", "other": "□", "quiet": "┄"}
OUTLINES = {"main": "━", "other": "╍"}
FLOOR = 0.4
"""Where the axis of accuracies begins, unless an interval reaches below."""


def plots(report: Report) -> str:
    """All plots that have data, side by side where there is room."""
    drawn = "".join(draw(report) for draw in (by_margin, reliability, histogram, curve))
    return f"<div class=plots>{drawn}</div>" if drawn else ""


def by_margin(report: Report) -> str:
    """Accuracy of all decided comparisons and of each strength of preference, beside what people reach."""
    groups = report.get("by_margin") or []
    if not groups:
        return ""
    decided = sum(one["comparisons"] for one in groups)
    shown = [(MARGINS.get(one["margin"], "?"), one["comparisons"], one["accuracy"], one.get("ci")) for one in groups]
    shown.append(("all", decided, report["accuracy"], report.get("ci")))
    chart = Chart((-0.5, len(shown) - 0.5), (low := _floor([one[3] for one in shown]), 1.0))
    names = [(place, f"{name}\n{count:,}") for place, (name, count, *_) in enumerate(shown)]
    chart.axes("strength of preference, comparisons", "ordered as labeled (%)", names, share_ticks(low, 1))
    _beside(chart, report)
    for place, (name, count, share, interval) in enumerate(shown):
        chart.dot(place, share, interval, "main", f"{name}: {_percent(share, interval)} of {count:,}")
    said = "; ".join(f"{name} {_percent(share, interval)}" for name, _, share, interval in shown)
    return figure(
        "Accuracy by strength of preference", "With 95 % intervals over test prompts.", chart.svg(f"Accuracy. {said}")
    )


def reliability(report: Report) -> str:
    """Draw the share of labelers who agree with the model against its confidence, before and after scaling."""
    bins = report.get("calibration") or []
    if not bins:
        return ""
    after = report.get("calibration_scaled") or []
    low = min(0.5, _floor([one.get("ci") for one in (*bins, *after)], 0.3))
    chart = Chart((0.5, 1.0), (low, 1.0))
    chart.axes("sure of its side (%)", "labeled so (%)", share_ticks(0.5, 1), share_ticks(low, 1))
    chart.line([(0.5, 0.5), (1, 1)], "quiet")
    for part, found in (("other", after), ("main", bins)):
        chart.line([(one["predicted"], one["observed"]) for one in found], part)
        for one in found:
            chart.dot(
                one["predicted"],
                one["observed"],
                one.get("ci"),
                part,
                f"{_percent(one['observed'], one.get('ci'))} of {one['comparisons']:,}",
            )
    keys = [("main", "as trained")] + [("other", "temperature scaled")] * bool(after) + [("quiet", "perfect")]
    return figure(
        "Reliability: as right as sure?",
        _scaling(report),
        legend(keys) + chart.svg("Observed against predicted share, per bin"),
    )


def histogram(report: Report) -> str:
    """Scores of the preferred and of the other answers."""
    found = report.get("histogram")
    if not found:
        return ""
    edges, most = found["edges"], max(*found["chosen"], *found["rejected"])
    chart = Chart((edges[0], edges[-1]), (0, most * 1.08))
    chart.axes("raw score (log-odds)", "answers", round_ticks(edges[0], edges[-1]), round_ticks(0, most, 5))
    chart.steps(edges, found["rejected"], "other").steps(edges, found["chosen"], "main")
    key = legend([("main", "preferred"), ("other", "the other one")], OUTLINES)
    lead = "The further right the solid outline lies of the dashed one, the better."
    return figure(
        "Scores of preferred and other answers",
        lead,
        key + chart.svg("Histogram of scores of preferred and of other answers"),
    )


def curve(report: Report) -> str:
    """Accuracy against the number of labels it was trained on, and the forecast."""
    found = report.get("learning_curve")
    if not found:
        return ""
    points = found["points"]
    told = [one for one in found["forecast"] if one["accuracy"] is not None]
    reach = (told or points)[-1]["labels"]
    low = _floor([one["ci"] for one in points])
    chart = Chart((points[0]["labels"] / 1.15, reach * 1.15), (low, 1.0), log=True)
    ticks = [(one["labels"], f"{one['labels']:,}") for one in (*points, *told[-1:])]
    chart.axes("comparisons trained on (log scale)", "ordered as labeled (%)", ticks, share_ticks(low, 1))
    _beside(chart, report)
    if found["fit"]:
        chart.line([(n, _law(found["fit"], n)) for n in _spread(points[0]["labels"], reach)], "quiet")
    for part, marks in (("other", told), ("main", points)):
        for one in marks:
            chart.dot(
                one["labels"],
                one["accuracy"],
                one["ci"],
                part,
                f"{one['labels']:,}: {_percent(one['accuracy'], one['ci'])}",
            )
    key = legend([("main", "measured")] + [("other", "forecast"), ("quiet", "a − b·n^−c")] * bool(told))
    return figure(
        "Learning curve: what labels bring", _outlook(found), key + chart.svg("Accuracy against the number of labels")
    )


def figure(title: str, lead: str, body: str) -> str:
    """Return a plot under its title and one soft line."""
    return (
        f"<figure><figcaption><b>{escape(title)}</b><span class=soft>{escape(lead)}</span></figcaption>{body}</figure>"
    )


def legend(keys: list[tuple[str, str]], marks: Mapping[str, str] = DOTS) -> str:
    """Return the names of the series, each after its own mark."""
    names = (f"<span><i style='color:{STYLES[part][0]}'>{marks[part]}</i> {escape(name)}</span>" for part, name in keys)
    return f"<div class=key>{''.join(names)}</div>"


def _beside(chart: Chart, report: Report) -> None:
    """Return what an accuracy is read against.

    A coin, and gold's own accuracy or between which the best model lies.
    """
    chart.level(0.5, "quiet", "a coin")
    if report.get("ceiling") is not None:
        chart.level(report["ceiling"], "quiet", "rubric on the same labels")
    elif report.get("reachable"):
        low, high = report["reachable"]
        chart.band(low, high, "the best possible")


def _scaling(report: Report) -> str:
    if report.get("ece") is None:
        return ""
    said = f"ECE {_points(report['ece'])} ({report['ece_bins']} bins)"
    if report["ece_scaled"] is not None:
        said += f", scaled {_points(report['ece_scaled'])} at temperature {report['temperature']:.2f} (fitted on {report['temperature_fitted_on']})"
    else:
        said += ", no temperature could be fitted"
    return f"{said}. A perfect model shows {_points(report['ece_if_calibrated'])} on so few."


def _outlook(found: Mapping[str, Any]) -> str:
    if found["note"]:
        return f"{found['note'][0].upper()}{found['note'][1:]}."
    told = [
        f"+{one['more']:,}: {_percent(one['accuracy'], one['ci'])}"
        for one in found["forecast"]
        if one["accuracy"] is not None
    ]
    untold = [
        f"+{one['more']:,} is beyond the range of a forecast" for one in found["forecast"] if one["accuracy"] is None
    ]
    return f"Forecast of more labels: {'; '.join([*told, *untold])}."


def _law(fit: Mapping[str, float], labels: float) -> float:
    return fit["a"] - fit["b"] * labels ** -fit["c"]


def _spread(low: float, high: float) -> list[float]:
    return [low * (high / low) ** (step / 40) for step in range(41)]


def _floor(intervals: list[Any], floor: float = FLOOR) -> float:
    lowest = min([floor, *(interval[0] for interval in intervals if interval)])
    return math.floor(10 * lowest) / 10


def _percent(share: float, interval: Any) -> str:  # noqa: ANN401 (JSON of a report)
    return f"{100 * share:.0f} %" + (f" ({100 * interval[0]:.0f}–{100 * interval[1]:.0f})" if interval else "")


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"
