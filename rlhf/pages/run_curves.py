# SPDX-License-Identifier: Apache-2.0
"""The curves of one run as HTML: a figure per metric that names its run and metric, drawn as SVG. Without gradio."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data.records import Run
from data.store import Store
from labeling.texts.pages import text
from reward.report.svg_chart import STYLES, Chart, round_ticks
from rlhf.pages.markup import esc

POINTS = 400
"""Points of a drawn series, at most. The newest point is always among them."""
DOTS = 24
"""A series of at most this many points shows each as a dot with its value as a hint."""
PARTS = tuple(STYLES)
"""Stroke styles, in the order of the series of a plot."""
TITLED = (
    "reward",
    "score",
    "kl",
    "eval_gold",
    "length",
    "entropy",
    "ended",
    "value_loss",
    "clip_fraction",
    "policy_loss",
    "loss",
    "eval_loss",
    "accuracy",
    "eval_accuracy",
    "margin",
    "reward_chosen",
    "best_of",
    "best_reward",
    "grad_norm",
    "learning_rate",
)
"""Metrics whose plot has a title and a unit among the texts, in the order of the plots; others use their own name."""
SAME_AXIS = {
    "reward": ("eval_reward", "eval_guard"),
    "kl": ("eval_kl",),
    "loss": ("eval_loss",),
    "accuracy": ("eval_accuracy",),
    "margin": ("eval_margin",),
    "reward_chosen": ("reward_rejected",),
    "best_reward": ("sampled_reward",),
}
"""Metrics drawn into another one's plot."""
LIMITS = {"kl": "kl_budget"}
"""Settings drawn as a level line into a metric's plot."""


class Series(NamedTuple):
    """The points of one metric, thinned, and the number of values that cannot be drawn (not finite)."""

    name: str
    points: list[tuple[int, float]]
    not_finite: int


def draw_curves(store: Store, run: Run) -> str:
    """Return a figure for each metric of the run, in the order of TITLED; empty text if there is none."""
    known = store.metrics.keys(run.id)
    partners = {name for main, names in SAME_AXIS.items() if main in known for name in names}
    ordered = [key for key in TITLED if key in known] + [key for key in known if key not in TITLED]
    figures = [_figure(store, run, key, known) for key in ordered if key not in partners]
    return f"<div class=plots data-run={run.public}>{''.join(figures)}</div>" if figures else ""


def read_series(store: Store, run: Run, key: str) -> Series:
    """Return a metric's points, at most POINTS of them."""
    values = store.metrics.series(run.id, key)
    finite = [(step, value) for step, value in values if math.isfinite(value)]
    every = max(1, math.ceil(len(finite) / POINTS))
    return Series(key, finite[::-1][::every][::-1], len(values) - len(finite))


def _figure(store: Store, run: Run, key: str, known: Sequence[str]) -> str:
    """Return the figure of a metric and its partners."""
    drawn = [read_series(store, run, name) for name in (key, *SAME_AXIS.get(key, ())) if name in known]
    title = text(f"runs.plot_{key}") if key in TITLED else _words(key)
    unit = text(f"runs.unit_{key}") if key in TITLED else _words(key)
    chart, limit = _chart(drawn, unit, _limit(run, key))
    spoken = text("runs.curve_spoken", title=title, run=run.public)
    svg = chart.svg(spoken) if chart else ""
    caption = f"<figcaption><b>{esc(title)}</b><span class=soft>{esc(_note(drawn))}</span></figcaption>"
    return f"<figure data-run={run.public} data-metric='{esc(key)}'>{caption}{svg}{_key(drawn, limit)}</figure>"


def _chart(drawn: Sequence[Series], unit: str, limit: Mapping[str, float]) -> tuple[Chart | None, str]:
    """Return the chart, None without a point, and the words about the limit that belong into the key."""
    points = [point for series in drawn for point in series.points]
    if not points:
        return None, ""
    steps, values = zip(*points, strict=True)
    x, y = _widened(min(steps), max(steps)), _widened(min(values), max(values))
    shown = {name: level for name, level in limit.items() if level <= max(values) + (y[1] - y[0])}
    y = _widened(min(y[0], *shown.values()), max(y[1], *shown.values())) if shown else y
    ticks = [(value, f"{value:,.0f}") for value, _ in round_ticks(*x) if value == int(value)]
    chart = Chart(x, y).axes(text("runs.axis_step"), unit, ticks, round_ticks(*y))
    for series, part in zip(drawn, PARTS, strict=False):
        chart.line(series.points, part)
        for step, value in series.points if len(series.points) <= DOTS else ():
            chart.dot(step, value, None, part, f"{_words(series.name)}, {step:,}: {value:.6g}")
    for name, level in shown.items():
        chart.level(level, "quiet", _words(name))
    above = [
        text("runs.limit_above", name=_words(name), value=f"{limit[name]:g}") for name in limit if name not in shown
    ]
    return chart, "".join(above)


def _widened(low: float, high: float) -> tuple[float, float]:
    """Return the range, or a range around its only value."""
    if high > low:
        return low, high
    half = abs(low) * 0.05 or 0.5
    return low - half, high + half


def _note(drawn: Sequence[Series]) -> str:
    """Return the newest value of the plot's metric, and how many values cannot be drawn."""
    newest = drawn[0].points[-1:]
    words = [text("runs.curve_newest", value=f"{value:.4g}", step=f"{step:,}") for step, value in newest]
    missing = sum(series.not_finite for series in drawn)
    words += [text("runs.not_finite", n=missing)] if missing else []
    return " ".join(words)


def _key(drawn: Sequence[Series], limit: str) -> str:
    """Return the key of a plot with several series, or with words about a limit."""
    if len(drawn) < 2 and not limit:
        return ""
    entries = [_entry(series.name, part) for series, part in zip(drawn, PARTS, strict=False)] if len(drawn) > 1 else []
    return f"<div class=key>{''.join(entries)}<span>{esc(limit)}</span></div>"


def _entry(name: str, part: str) -> str:
    colour, dashes = STYLES[part]
    line = f"<path d='M0 5H24' stroke='{colour}' stroke-width=2 stroke-dasharray='{dashes}' />"
    return f"<span><svg width=24 height=10 aria-hidden=true>{line}</svg> {esc(_words(name))}</span>"


def _limit(run: Run, key: str) -> dict[str, float]:
    """Return the limit that a setting of the run gives this metric, by the setting's name."""
    name = LIMITS.get(key, "")
    return {name: float(run.settings[name])} if run.settings.get(name) else {}


def _words(name: str) -> str:
    return name.replace("_", " ")
