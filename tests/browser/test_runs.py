# SPDX-License-Identifier: Apache-2.0
"""The Runs page in a real browser: each plot shows the chosen run's values from the store, under the cursor and drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from data import Store
from data.records import Run
from data.tables.process_identity import identify_process
from tests.support.browsing import MARKS, sign_in, visit, wait_for_refreshes

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
    expect(page.locator("#charts[aria-busy=false] figure .legend button").first).to_contain_text(run.public)
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


def test_clicking_through_runs_of_different_kinds_shows_each_one_s_own_values(page, server, store):
    runs = [finish(store, kind) for kind in KINDS]
    sign_in(page, server, "rae")
    visit(page, server, "runs")
    expect_values_of(page, store, runs[-1])
    for run in (runs[1], runs[0], runs[2], runs[0], runs[1]):
        page.locator("#runs-table [role=gridcell]", has_text=run.public).first.click()
        expect(page.locator("#run-head")).to_contain_text(run.public)
        expect_values_of(page, store, run)


def test_new_values_of_a_live_run_arrive_without_a_loss_of_zoom_and_of_hidden_lines(page, server, store):
    run = start(store, "ppo")
    for step in range(1, 9):
        store.metrics.log(run.id, step, {"reward": -step, "entropy": 0.5 / step, "value_loss": step * step})
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/train/metrics" in request.url else None)
    sign_in(page, server, "rae")
    visit(page, server, "loop")
    assert page.evaluate("'uPlot' in window") is False  # other pages do without the library
    visit(page, server, "runs")
    expect_values_of(page, store, run)
    entropy = page.locator("#charts figure[data-metric=entropy]")
    drag(page, entropy, 0.5, 0.9)
    page.locator("#charts figure[data-metric=reward] .legend button").click()
    wait_for_refreshes(page, 2)
    assert len(asked) == 1  # an idle page asks nothing
    store.metrics.log(run.id, 9, {"reward": 4.0, "entropy": 0.1, "value_loss": 2.0})
    for step, gold in ((1, 9.0), (3, 8.0), (9, 8.5)):
        store.metrics.log(run.id, step, {"eval_gold": gold, "score": -gold})
    expect(page.locator("#charts figure[data-metric=eval_gold]")).to_contain_text("8.5")
    expect(page.locator("#charts figure[data-metric=reward] .legend button")).to_have_attribute("aria-pressed", "false")
    assert places(page, entropy) == [5, 6, 7]  # 0.5 and 0.9 of the way from 1 to 8 are 4.5 and 7.3
    page.locator("#charts figure[data-metric=reward] .legend button").click()
    page.locator("#charts").get_by_role("button", name="Reset zoom").click()
    expect_values_of(page, store, run)
    store.runs.finish(run.id, "done")


def test_a_mouse_over_one_plot_shows_the_values_of_all_and_a_drag_zooms_all(page, server, store):
    finish(store, "ppo")
    sign_in(page, server, "rae")
    visit(page, server, "runs")
    page.locator("#charts figure").first.wait_for()
    page.evaluate(OPEN_ALL)
    reward, length = (page.locator(f"#charts figure[data-metric={name}]") for name in ("reward", "length"))
    hover(page, reward, 0.5)
    for figure, value in ((reward, "-0.5"), (length, "19")):
        expect(figure.locator(".at")).to_have_text("update 2")
        expect(figure.locator(".legend b")).to_have_text(value)
    drag(page, reward, 0.3, 0.7)
    assert places(page, length) == [2]
    reward.locator(".u-over").dblclick()
    assert places(page, length) == [1, 2, 3]


def test_the_keyboard_hides_zooms_and_resets(page, server, store):
    finish(store, "sft")
    sign_in(page, server, "rae")
    visit(page, server, "runs")
    canvas = page.get_by_role("slider", name="Training loss")
    canvas.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(canvas).to_have_attribute("aria-valuetext", re.compile("step 3, .* 2.5"))
    page.keyboard.press("+")
    loss = page.locator("#charts figure[data-metric=loss]")
    assert places(page, loss) == [2, 3, 4]  # the half of 1 to 5 around 3
    page.keyboard.press("0")
    assert places(page, loss) == [1, 2, 3, 4, 5]
    line = loss.locator(".legend button")
    line.focus()
    page.keyboard.press("Enter")
    expect(line).to_have_attribute("aria-pressed", "false")
    assert places(page, loss) == []  # no point is drawn
    page.keyboard.press("Enter")
    assert places(page, loss) == [1, 2, 3, 4, 5]


def test_runs_are_compared_in_each_plot_and_their_address_opens_them_again(page, server, store):
    runs = [finish(store, "ppo", {"learning_rate": rate, "seed": 0}) for rate in (0.001, 0.002)]
    first, second = (run.public for run in runs)
    sign_in(page, server, "rae")
    page.goto(f"{server.root}/train/#runs/{first}")
    page.get_by_label("Add a run to compare").select_option(second)
    expect(page).to_have_url(re.compile(f"#runs/{first},{second}$"))
    page.reload()
    labels = page.locator("#charts figure[data-metric=reward] .legend button")
    expect(labels).to_have_text([f"{first} PPO 0.4", f"{second} PPO 0.4"])
    expect(page.locator("#run-head .card > b")).to_contain_text(first)
    rows = page.locator("#charts tr:has(td)", has=page.locator("th[scope=row]"))
    expect(rows).to_have_text([re.compile("learning rate.*0.001.*0.002")])  # the seed is the same
    page.evaluate(OPEN_ALL)
    page.get_by_role("group", name="Runs in the plots").get_by_role("button", name=f"{second} PPO").click()
    hidden = page.locator("#charts .legend [aria-pressed=false]")
    expect(hidden).to_have_count(len(KINDS["ppo"]))
    expect(hidden.filter(has_text=second)).to_have_count(len(KINDS["ppo"]))
    page.get_by_role("button", name=f"Remove {first}").click()
    expect(page).to_have_url(re.compile(f"#runs/{second}$"))
    expect(labels).to_have_text([f"{second} PPO 0.4"])
    page.go_back()
    expect(labels).to_have_count(2)


def test_lines_are_smoothed_drawn_on_a_log_scale_and_by_episodes_or_seconds(page, server, store):
    timed, untimed = (finish(store, "ppo", {"batch_size": 32}) for _ in range(2))
    for step in (1, 2, 3):
        store.metrics.log(timed.id, step, {"seconds": 7.5 * step})
    sign_in(page, server, "rae")
    page.goto(f"{server.root}/train/#runs/{timed.public},{untimed.public}")
    charts = page.locator("#charts")
    reward = charts.locator("figure[data-metric=reward]")
    charts.get_by_label("Smoothing").fill("0.5")  # 0.4 is newest: (0.4/2 - 0.5/4 - 1/8) / (1/2 + 1/4 + 1/8)
    expect(reward.locator(".legend b").first).to_have_text("-0.05714 (0.4)")
    charts.get_by_label("Log scale").check()
    expect(reward).to_contain_text("4 values are not above 0. A log scale cannot show them.")
    expect(reward.locator(".at")).to_have_text("newest: update 3")
    charts.get_by_label("X axis").select_option("episodes")
    expect(reward.locator(".at")).to_have_text("newest: episodes 96")
    charts.get_by_label("X axis").select_option("seconds")
    expect(reward.locator(".at")).to_have_text("newest: seconds 22.5")
    expect(charts).to_contain_text(f"{untimed.public} has no record of seconds")
    expect(reward.locator(".legend button")).to_have_count(1)
    page.reload()
    expect(charts.get_by_label("X axis")).to_have_value("seconds")  # as it was left
    expect(reward.locator(".legend b")).to_have_text("-0.05714 (0.4)")


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
