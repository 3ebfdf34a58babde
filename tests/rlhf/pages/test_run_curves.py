# SPDX-License-Identifier: Apache-2.0
"""The curves of a run: every figure names its run and metric, and holds the values of the store."""

from __future__ import annotations

import math
import re

import pytest

from data import Store
from data.records import Run
from rlhf.pages import run_curves
from rlhf.pages.run_curves import draw_curves, read_series


@pytest.fixture
def run(store: Store) -> Run:
    return store.runs.enqueue("ppo", {"kl_budget": 4.0}, "rae")


def figure(html: str, metric: str) -> str:
    """Return the figure of a metric."""
    return re.search(rf"<figure data-run=\w+ data-metric='{metric}'>.*?</figure>", html)[0]


def test_a_long_series_is_thinned_and_keeps_its_newest_point(store, run):
    for step in range(1001):
        store.metrics.log(run.id, step, {"kl": step / 1000})
    points = read_series(store, run, "kl").points
    assert len(points) == 334  # every third of 1,001, counted from the newest
    assert points[-1] == (1000, 1.0)
    assert len(points) <= run_curves.POINTS


def test_every_metric_has_one_figure_that_names_the_run(store, run):
    store.metrics.log(run.id, 1, {"kl": 0.1, "reward": 1.0, "eval_reward": 2.0, "clip_fraction": 0.2, "odd_one": 3.0})
    html = draw_curves(store, run)
    assert re.findall(r"<figure data-run=(\w+) data-metric='(\w+)'>", html) == [
        ("run1", "reward"),
        ("run1", "kl"),
        ("run1", "clip_fraction"),
        ("run1", "odd_one"),
    ]
    assert "eval reward" in figure(html, "reward")


def test_a_limit_near_the_curve_is_drawn_and_a_far_one_is_said(store, run):
    store.metrics.log(run.id, 1, {"kl": 0.01})
    store.metrics.log(run.id, 2, {"kl": 0.02})
    assert "kl budget 4 lies above the plot." in draw_curves(store, run)
    store.metrics.log(run.id, 3, {"kl": 3.9})
    html = draw_curves(store, run)
    assert "lies above" not in html
    assert ">kl budget</text>" in html


def test_values_that_are_not_finite_are_counted(store, run):
    for step, value in enumerate((1.0, math.nan, math.inf, 2.0)):
        store.metrics.log(run.id, step, {"loss": value})
    shown = figure(draw_curves(store, run), "loss")
    assert "2 at step 3. 2 values are not finite and are not drawn." in shown


def test_a_run_whose_values_are_all_not_finite_has_no_curve_but_says_so(store, run):
    store.metrics.log(run.id, 1, {"loss": math.nan})
    shown = figure(draw_curves(store, run), "loss")
    assert "polyline" not in shown
    assert "1 values are not finite" in shown


def test_steps_have_whole_ticks(store, run):
    for step in (1, 2, 3):
        store.metrics.log(run.id, step, {"loss": 1.0 / step})
    ticks = re.findall(r"text-anchor=middle>([^<]*)</text>", figure(draw_curves(store, run), "loss"))
    assert [tick for tick in ticks if tick not in ("step", "loss")] == ["1", "2", "3"]


def test_a_run_without_metrics_has_no_curves(store, run):
    assert draw_curves(store, run) == ""
