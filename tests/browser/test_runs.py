# SPDX-License-Identifier: Apache-2.0
"""The Runs page in a real browser: whichever run is chosen, each plot shows that run's values from the store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from data import Store
from data.records import Run
from data.tables.process_identity import identify_process
from tests.support.browsing import MARKS, sign_in, visit

pytestmark = MARKS
KINDS = {
    "reward": {"loss": [1.7, 1.2, 0.9, 1.1], "learning_rate": [1e-3, 8e-4, 2e-4, 0.0]},
    "ppo": {"reward": [-1.0, -0.5, 0.4], "kl": [0.0, 0.3, 0.2], "entropy": [0.46, 0.44, 0.43], "length": [20, 19, 22]},
    "sft": {"loss": [3.0, 2.0, 2.5, 1.5, 1.0]},
}


@pytest.fixture
def store(served_home) -> Iterator[Store]:
    store = Store(served_home)
    yield store
    store.close()


def start(store: Store, kind: str) -> Run:
    """Add a run that this process works on, so that no supervisor takes it."""
    with store.transaction():
        run = store.runs.enqueue(kind, {}, "rae")
        store.runs.start(run.id, *identify_process())
    return store.runs.get(run.id)


def finish(store: Store, kind: str) -> Run:
    """Add a run that has ended, with the metrics of KINDS."""
    run = start(store, kind)
    for metric, values in KINDS[kind].items():
        for step, value in enumerate(values, 1):
            store.metrics.log(run.id, step, {metric: value})
    return store.runs.finish(run.id, "done")


def plotted(page: Page) -> dict[str, list[tuple[float, float]]]:
    """Return the corners of the first line of each plot, by metric."""
    texts = page.evaluate(
        "() => Object.fromEntries([...document.querySelectorAll('#run-curves figure')].map("
        "figure => [figure.dataset.metric, figure.querySelector('polyline').getAttribute('points')]))"
    )
    return {metric: [tuple(map(float, point.split(","))) for point in text.split()] for metric, text in texts.items()}


def scaled(numbers: list[float]) -> list[float]:
    """Return the numbers with the smallest at 0 and the largest at 1: what an axis leaves of them."""
    low, high = min(numbers), max(numbers)
    return [(number - low) / (high - low) for number in numbers]


def expect_values_of(page: Page, store: Store, run: Run) -> None:
    """Expect a plot for each metric of the run, and in each the values of the store, up to the axes' scale."""
    metrics = store.metrics.keys(run.id)
    expect(page.locator(f"#run-curves figure[data-run={run.public}]")).to_have_count(len(metrics))
    lines = plotted(page)
    assert sorted(lines) == metrics
    for metric, corners in lines.items():
        steps, values = zip(*store.metrics.series(run.id, metric), strict=True)
        assert scaled([x for x, _ in corners]) == pytest.approx(scaled(steps), abs=1e-3)
        assert scaled([-y for _, y in corners]) == pytest.approx(scaled(values), abs=2e-3)  # y grows downwards


def test_clicking_through_runs_of_different_kinds_shows_each_one_s_own_values(page, server, store):
    runs = [finish(store, kind) for kind in KINDS]
    sign_in(page, server, "rae")
    visit(page, server, "runs")
    expect_values_of(page, store, runs[-1])
    for run in (runs[1], runs[0], runs[2], runs[0], runs[1]):
        page.locator("#runs-table [role=gridcell]", has_text=run.public).first.click()
        expect(page.locator("#run-head")).to_contain_text(run.public)
        expect_values_of(page, store, run)


def test_a_metric_that_arrives_late_moves_no_curve_of_a_live_run(page, server, store):
    run = start(store, "ppo")
    for step in (1, 2):
        store.metrics.log(run.id, step, {"reward": -step, "entropy": 0.5 / step, "value_loss": step * step})
    sign_in(page, server, "rae")
    visit(page, server, "runs")
    expect_values_of(page, store, run)
    store.metrics.log(run.id, 3, {"reward": 4.0, "entropy": 0.1, "value_loss": 2.0})
    for step, gold in ((1, 9.0), (3, 8.0), (4, 8.5)):
        store.metrics.log(run.id, step, {"eval_gold": gold, "score": -gold})
    expect(page.locator("#run-curves figure[data-metric=eval_gold]")).to_contain_text("8.5 at step 4.")
    expect_values_of(page, store, run)
    store.runs.finish(run.id, "done")
