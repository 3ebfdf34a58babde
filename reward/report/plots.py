# SPDX-License-Identifier: Apache-2.0
"""The plots of a reward model's report, each a figure with a title. A plot without data is an empty text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from reward.report.groups import MARGINS
from reward.report.svg_chart import STYLES, Chart, round_ticks, share_ticks

Report = Mapping[str, Any]
DOTS = {"main": "●", "other": "□", "quiet": "┄"}
OUTLINES = {"main": "━", "other": "╍"}
FLOOR = 0.4
"""The start of the axis of accuracies, unless an interval reaches below."""


def plots(report: Report) -> str:
    """Return all plots that have data, side by side if there is room."""
    drawn = "".join(draw(report) for draw in (by_margin, reliability, histogram, curve))
    return f"<div class=plots>{drawn}</div>" if drawn else ""


def by_margin(report: Report) -> str:
    """Draw the accuracy of all decided comparisons and of each strength of preference, with its baselines."""
    groups = report.get("by_margin") or []
    if not groups:
        return ""
    decided = sum(group["comparisons"] for group in groups)
    shown = [(MARGINS.get(g["margin"], "?"), g["comparisons"], g["accuracy"], g.get("ci")) for g in groups]
    shown.append(("all", decided, report["accuracy"], report.get("ci")))
    low = _floor([interval for *_, interval in shown])
    chart = Chart((-0.5, len(shown) - 0.5), (low, 1.0))
    names = [(x, f"{name}\n{count:,}") for x, (name, count, *_) in enumerate(shown)]
    chart.axes("strength of preference, comparisons", "ordered as labeled (%)", names, share_ticks(low, 1))
    _draw_baselines(chart, report)
    for x, (name, count, share, interval) in enumerate(shown):
        chart.dot(x, share, interval, "main", f"{name}: {_percent(share, interval)} of {count:,}")
    description = "; ".join(f"{name} {_percent(share, interval)}" for name, _, share, interval in shown)
    return figure(
        "Accuracy by strength of preference",
        "With 95 % intervals over test prompts.",
        chart.svg(f"Accuracy. {description}"),
    )


def reliability(report: Report) -> str:
    """Draw the share of labelers who agree with the model against its confidence, before and after scaling."""
    bins = report.get("calibration") or []
    if not bins:
        return ""
    after = report.get("calibration_scaled") or []
    low = min(0.5, _floor([bin.get("ci") for bin in (*bins, *after)], 0.3))
    chart = Chart((0.5, 1.0), (low, 1.0))
    chart.axes("confidence of the model (%)", "labelers agree (%)", share_ticks(0.5, 1), share_ticks(low, 1))
    chart.line([(0.5, 0.5), (1, 1)], "quiet")
    for part, series in (("other", after), ("main", bins)):
        chart.line([(bin["predicted"], bin["observed"]) for bin in series], part)
        for bin in series:
            hint = f"{_percent(bin['observed'], bin.get('ci'))} of {bin['comparisons']:,}"
            chart.dot(bin["predicted"], bin["observed"], bin.get("ci"), part, hint)
    keys = [("main", "as trained")] + [("other", "temperature scaled")] * bool(after) + [("quiet", "perfect")]
    return figure(
        "Reliability: accuracy by confidence",
        _calibration_lead(report),
        legend(keys) + chart.svg("Observed against predicted share, per bin"),
    )


def histogram(report: Report) -> str:
    """Draw the scores of the preferred and of the other answers."""
    counts = report.get("histogram")
    if not counts:
        return ""
    edges, most = counts["edges"], max(*counts["chosen"], *counts["rejected"])
    chart = Chart((edges[0], edges[-1]), (0, most * 1.08))
    chart.axes("raw score (log-odds)", "answers", round_ticks(edges[0], edges[-1]), round_ticks(0, most, 5))
    chart.steps(edges, counts["rejected"], "other").steps(edges, counts["chosen"], "main")
    key = legend([("main", "preferred"), ("other", "other")], OUTLINES)
    lead = "A good model puts the solid outline to the right of the dashed one."
    return figure(
        "Scores of preferred and other answers",
        lead,
        key + chart.svg("Histogram of scores of preferred and of other answers"),
    )


def curve(report: Report) -> str:
    """Draw the accuracy against the number of training labels, and the forecast."""
    document = report.get("learning_curve")
    if not document:
        return ""
    points = document["points"]
    forecast = [point for point in document["forecast"] if point["accuracy"] is not None]
    last = (forecast or points)[-1]["labels"]
    low = _floor([point["ci"] for point in points])
    chart = Chart((points[0]["labels"] / 1.15, last * 1.15), (low, 1.0), log=True)
    ticks = [(point["labels"], f"{point['labels']:,}") for point in (*points, *forecast[-1:])]
    chart.axes("training comparisons (log scale)", "ordered as labeled (%)", ticks, share_ticks(low, 1))
    _draw_baselines(chart, report)
    if document["fit"]:
        chart.line([(n, _law(document["fit"], n)) for n in _log_steps(points[0]["labels"], last)], "quiet")
    for part, series in (("other", forecast), ("main", points)):
        for point in series:
            hint = f"{point['labels']:,}: {_percent(point['accuracy'], point['ci'])}"
            chart.dot(point["labels"], point["accuracy"], point["ci"], part, hint)
    key = legend([("main", "measured")] + [("other", "forecast"), ("quiet", "a − b·n^−c")] * bool(forecast))
    return figure(
        "Learning curve: accuracy by labels",
        _forecast_lead(document),
        key + chart.svg("Accuracy against the number of labels"),
    )


def figure(title: str, lead: str, body: str) -> str:
    """Return a plot under its title and a line of explanation."""
    return (
        f"<figure><figcaption><b>{escape(title)}</b><span class=soft>{escape(lead)}</span></figcaption>{body}</figure>"
    )


def legend(keys: list[tuple[str, str]], marks: Mapping[str, str] = DOTS) -> str:
    """Return the names of the series, each after its mark."""
    names = (f"<span><i style='color:{STYLES[part][0]}'>{marks[part]}</i> {escape(name)}</span>" for part, name in keys)
    return f"<div class=key>{''.join(names)}</div>"


def _draw_baselines(chart: Chart, report: Report) -> None:
    """Draw the accuracy of a coin flip, and that of the rubric score or the range of the best possible model."""
    chart.level(0.5, "quiet", "coin flip")
    if report.get("ceiling") is not None:
        chart.level(report["ceiling"], "quiet", "rubric score on the same labels")
    elif report.get("reachable"):
        low, high = report["reachable"]
        chart.band(low, high, "best possible model")


def _calibration_lead(report: Report) -> str:
    if report.get("ece") is None:
        return ""
    lead = f"ECE {_points(report['ece'])} ({report['ece_bins']} bins)"
    if report["ece_scaled"] is not None:
        lead += f", scaled {_points(report['ece_scaled'])} at temperature {report['temperature']:.2f} (fitted on {report['temperature_fitted_on']})"
    else:
        lead += ", no temperature could be fitted"
    return f"{lead}. By chance alone, a perfect model has {_points(report['ece_if_calibrated'])}."


def _forecast_lead(document: Report) -> str:
    if document["note"]:
        return f"{document['note'][0].upper()}{document['note'][1:]}."
    parts = [
        f"+{point['more']:,} is beyond the range of a forecast"
        if point["accuracy"] is None
        else f"+{point['more']:,}: {_percent(point['accuracy'], point['ci'])}"
        for point in document["forecast"]
    ]
    return f"Forecast of more labels: {'; '.join(parts)}."


def _law(fit: Mapping[str, float], labels: float) -> float:
    return fit["a"] - fit["b"] * labels ** -fit["c"]


def _log_steps(low: float, high: float) -> list[float]:
    return [low * (high / low) ** (step / 40) for step in range(41)]


def _floor(intervals: Sequence[Sequence[float] | None], floor: float = FLOOR) -> float:
    lowest = min([floor, *(interval[0] for interval in intervals if interval)])
    return math.floor(10 * lowest) / 10


def _percent(share: float, interval: Sequence[float] | None) -> str:
    return f"{100 * share:.0f} %" + (f" ({100 * interval[0]:.0f}–{100 * interval[1]:.0f})" if interval else "")


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"
