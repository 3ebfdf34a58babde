# SPDX-License-Identifier: Apache-2.0
"""The charts of the Runs page as a browser shows them: their values, walked by keys, and what a mouse does to them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from data.records import Run
from data.store import Store
from data.tables.process_identity import identify_process

KINDS = {
    "reward": {"loss": [1.7, 1.2, 0.9, 1.1], "learning_rate": [1e-3, 8e-4, 2e-4, 0.0]},
    "ppo": {"reward": [-1.0, -0.5, 0.4], "kl": [0.0, 0.3, 0.2], "loss": [0.46, 0.44, 0.43], "length": [20, 19, 22]},
    "sft": {"loss": [3.0, 2.0, 2.5, 1.5, 1.0]},
}


def start(store: Store, kind: str, settings: dict | None = None) -> Run:
    """Add a run that this process works on, so that no supervisor takes it."""
    with store.transaction():
        run = store.runs.enqueue(kind, settings or {}, "rae")
        store.runs.start(run.id, *identify_process())
    return store.runs.get(run.id)


def finish(store: Store, kind: str, settings: dict | None = None) -> Run:
    """Add a run that has ended, with the metrics of KINDS."""
    run = start(store, kind, settings)
    for metric, values in KINDS[kind].items():
        for step, value in enumerate(values, 1):
            store.metrics.log(run.id, step, {metric: value})
    return store.runs.finish(run.id, "done")


OPEN_ALL = "() => document.querySelectorAll('#charts details:not([open]) > summary').forEach((it) => it.click())"
WALK = """() => {
    const figures = [...document.querySelectorAll("#charts figure")], first = figures[0].querySelector(".canvas");
    const walked = Object.fromEntries(figures.map((figure) => [figure.dataset.metric, {}]));
    const press = (key) => first.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    const at = () => first.ariaValueText.split(",")[0];
    for (let before = press("Home"), now = at(); now !== before; before = now, press("ArrowRight"), now = at())
        for (const figure of figures.filter((figure) => figure.querySelector(".at").textContent === now)) {
            const point = figure.querySelector(".u-cursor-pt:not(.u-off)"), { e, f } = new DOMMatrix(point?.style.transform);
            if (point) walked[figure.dataset.metric][now] = [figure.querySelector(".legend b").textContent, e, f];
        }
    return walked;
}"""
"""Move the cursor of all plots along the x axis by keys. Return (shown value, x and y of the drawn point) by metric
and by the place of each of its points."""


def scaled(numbers: list[float]) -> list[float]:
    """Return the numbers with the smallest at 0 and the largest at 1: what an axis leaves of them."""
    low, high = min(numbers), max(numbers)
    return [(number - low) / (high - low) for number in numbers]


def expect_values_of(page: Page, store: Store, run: Run) -> None:
    """Expect a plot for each metric of the run, and in each the values of the store, as numbers and as points."""
    metrics = store.metrics.keys(run.id)
    label = re.compile(f" of {run.public} by ")
    expect(page.locator("#charts[aria-busy=false] figure .canvas").first).to_have_attribute("aria-label", label)
    page.evaluate(OPEN_ALL)
    expect(page.locator("#charts figure canvas")).to_have_count(len(metrics))
    walked = page.evaluate(WALK)
    assert sorted(walked) == metrics
    for metric, places in walked.items():
        steps, values = zip(*store.metrics.series(run.id, metric), strict=True)
        shown, xs, ys = zip(*places.values(), strict=True)
        assert [int(place.split()[-1]) for place in places] == list(steps)
        assert [float(value.replace(",", "")) for value in shown] == pytest.approx(values, rel=1e-3)
        assert scaled(xs) == pytest.approx(scaled(steps), abs=0.01)  # the point stands on whole pixels
        assert scaled([-y for y in ys]) == pytest.approx(scaled(values), abs=0.02)  # y grows downwards


def saved(page: Page, figure: Locator, kind: str, name: str) -> bytes:
    """Press the button that saves the plot as this kind of file. Return the file, which has this name."""
    with page.expect_download() as download:
        figure.get_by_role("button", name=f"{kind} of").click()
    assert download.value.suggested_filename == name
    return download.value.path().read_bytes()


def hover(page: Page, figure: Locator, part: float) -> None:
    """Move the mouse over a plot, to this part of its width."""
    figure.scroll_into_view_if_needed()
    box = figure.locator(".u-over").bounding_box()
    page.mouse.move(box["x"] + part * box["width"], box["y"] + 30, steps=3)


def drag(page: Page, figure: Locator, begin: float, end: float) -> None:
    """Drag across a plot, from and to these parts of its width."""
    hover(page, figure, begin)
    page.mouse.down()
    hover(page, figure, end)
    page.mouse.up()


def places(page: Page, figure: Locator) -> list[int]:
    """Return the places on the x axis at which the plot draws a point, walked by keys."""
    walked = page.evaluate(WALK)[figure.get_attribute("data-metric")]
    return [int(place.split()[-1]) for place in walked]
