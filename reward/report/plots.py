# SPDX-License-Identifier: Apache-2.0
"""The plots of a reward model's report, each a figure with a title. A plot without data is an empty text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from data.texts import translate_line
from labeling.texts.pages import format_share, text
from labeling.texts.reader import reader_language
from reward.report.addresses import link_ids
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
    shown = [(margin_name(g["margin"]), g["comparisons"], g["accuracy"], g.get("ci")) for g in groups]
    shown.append((text("reward.all"), decided, report["accuracy"], report.get("ci")))
    low = _floor([interval for *_, interval in shown])
    chart = Chart((-0.5, len(shown) - 0.5), (low, 1.0))
    names = [(x, f"{name}\n{count:,}") for x, (name, count, *_) in enumerate(shown)]
    chart.axes(text("reward.axis_margin"), text("reward.axis_accuracy"), names, share_ticks(low, 1))
    _draw_baselines(chart, report)
    for x, (name, count, share, interval) in enumerate(shown):
        chart.dot(x, share, interval, "main", f"{name}: {format_share(share, interval, count)}")
    description = "; ".join(f"{name} {format_share(share, interval, count)}" for name, count, share, interval in shown)
    return figure(
        text("reward.plot_margin"),
        text("reward.plot_margin_lead"),
        chart.svg(text("reward.plot_margin_spoken", shares=description)),
    )


def reliability(report: Report) -> str:
    """Draw the share of labelers who agree with the model against its confidence, before and after scaling."""
    bins = report.get("calibration") or []
    if not bins:
        return ""
    after = report.get("calibration_scaled") or []
    low = min(0.5, _floor([bin.get("ci") for bin in (*bins, *after)], 0.3))
    chart = Chart((0.5, 1.0), (low, 1.0))
    chart.axes(text("reward.axis_confidence"), text("reward.axis_agree"), share_ticks(0.5, 1), share_ticks(low, 1))
    chart.line([(0.5, 0.5), (1, 1)], "quiet")
    for part, series in (("other", after), ("main", bins)):
        chart.line([(bin["predicted"], bin["observed"]) for bin in series], part)
        for bin in series:
            hint = format_share(bin["observed"], bin.get("ci"), bin["comparisons"])
            chart.dot(bin["predicted"], bin["observed"], bin.get("ci"), part, hint)
    keys = (
        [("main", text("reward.key_trained"))]
        + [("other", text("reward.key_scaled"))] * bool(after)
        + [("quiet", text("reward.key_perfect"))]
    )
    return figure(
        text("reward.plot_reliability"),
        _calibration_lead(report),
        legend(keys) + chart.svg(text("reward.plot_reliability_spoken")),
    )


def histogram(report: Report) -> str:
    """Draw the scores of the preferred and of the other answers."""
    counts = report.get("histogram")
    if not counts:
        return ""
    edges, most = counts["edges"], max(*counts["chosen"], *counts["rejected"])
    chart = Chart((edges[0], edges[-1]), (0, most * 1.08))
    chart.axes(
        text("reward.axis_score"),
        text("reward.axis_answers"),
        round_ticks(edges[0], edges[-1]),
        round_ticks(0, most, 5),
    )
    chart.steps(edges, counts["rejected"], "other").steps(edges, counts["chosen"], "main")
    key = legend([("main", text("reward.key_preferred")), ("other", text("reward.key_other"))], OUTLINES)
    lead = text("reward.plot_scores_lead")
    return figure(
        text("reward.plot_scores"),
        lead,
        key + chart.svg(text("reward.plot_scores_spoken")),
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
    chart.axes(text("reward.axis_labels"), text("reward.axis_accuracy"), ticks, share_ticks(low, 1))
    _draw_baselines(chart, report)
    if document["fit"]:
        chart.line([(n, _law(document["fit"], n)) for n in _log_steps(points[0]["labels"], last)], "quiet")
    for part, series in (("other", forecast), ("main", points)):
        for point in series:
            hint = f"{point['labels']:,}: {format_share(point['accuracy'], point['ci'])}"
            chart.dot(point["labels"], point["accuracy"], point["ci"], part, hint)
    key = legend(
        [("main", text("reward.key_measured"))]
        + [("other", text("reward.key_forecast")), ("quiet", "a − b·n^−c")] * bool(forecast)
    )
    return figure(
        text("reward.plot_curve"),
        _forecast_lead(document),
        key + chart.svg(text("reward.plot_curve_spoken")),
    )


def figure(title: str, lead: str, body: str) -> str:
    """Return a plot under its title and a line of explanation."""
    return f"<figure><figcaption><b>{escape(title)}</b><span class=soft>{link_ids(lead)}</span></figcaption>{body}</figure>"


def legend(keys: list[tuple[str, str]], marks: Mapping[str, str] = DOTS) -> str:
    """Return the names of the series, each after its mark."""
    names = (f"<span><i style='color:{STYLES[part][0]}'>{marks[part]}</i> {escape(name)}</span>" for part, name in keys)
    return f"<div class=key>{''.join(names)}</div>"


def margin_name(margin: int) -> str:
    """Return the name of a strength of preference: slightly, clearly or significantly."""
    return text(f"reward.margin_{margin}") if margin in MARGINS else "?"


def _draw_baselines(chart: Chart, report: Report) -> None:
    """Draw the accuracy of a coin flip, and that of the rubric score or the range of the best possible model."""
    chart.level(0.5, "quiet", text("reward.level_coin"))
    if report.get("ceiling") is not None:
        chart.level(report["ceiling"], "quiet", text("reward.level_ceiling"))
    elif report.get("reachable"):
        low, high = report["reachable"]
        chart.band(low, high, text("reward.level_reachable"))


def _calibration_lead(report: Report) -> str:
    if report.get("ece") is None:
        return ""
    ece, bins = _points(report["ece"]), report["ece_bins"]
    if report["ece_scaled"] is None:
        lead = text("reward.plot_ece", ece=ece, bins=bins)
    else:
        scaled = {"scaled": _points(report["ece_scaled"]), "temperature": report["temperature"]}
        lead = text("reward.plot_ece_scaled", ece=ece, bins=bins, fitted_on=report["temperature_fitted_on"], **scaled)
    return f"{lead} {text('reward.plot_ece_chance', ece=_points(report['ece_if_calibrated']))}"


def _forecast_lead(document: Report) -> str:
    lead = _forecast_text(document)
    return f"{lead} {text('reward.stand_in')}" if document.get("stand_in") else lead


def _forecast_text(document: Report) -> str:
    if document["note"]:
        note = translate_line(document["note"], reader_language())
        return f"{note[0].upper()}{note[1:]}."
    parts = [
        text("reward.forecast_beyond", more=point["more"])
        if point["accuracy"] is None
        else f"+{point['more']:,}: {format_share(point['accuracy'], point['ci'])}"
        for point in document["forecast"]
    ]
    return text("reward.forecast", parts="; ".join(parts))


def _law(fit: Mapping[str, float], labels: float) -> float:
    return fit["a"] - fit["b"] * labels ** -fit["c"]


def _log_steps(low: float, high: float) -> list[float]:
    return [low * (high / low) ** (step / 40) for step in range(41)]


def _floor(intervals: Sequence[Sequence[float] | None], floor: float = FLOOR) -> float:
    lowest = min([floor, *(interval[0] for interval in intervals if interval)])
    return math.floor(10 * lowest) / 10


def _points(share: float) -> str:
    return text("reward.points", n=100 * share)
