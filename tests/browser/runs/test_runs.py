# SPDX-License-Identifier: Apache-2.0
"""The Runs page in a real browser: each plot shows the chosen run's values from the store, under the cursor and drawn.

All tests use one tab, which loads the page once. Each has runs of its own.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from playwright.sync_api import Page, expect

from data.records import Run
from tests.browser.runs.run_charts import KINDS, OPEN_ALL, drag, expect_values_of, finish, hover, places, saved, start
from tests.support.browsing import MARKS, visit, wait_for_refreshes
from tests.support.serving import Server

pytestmark = MARKS


def test_the_library_loads_with_the_first_charts_and_only_their_first_group_is_open(page, server, store):
    reward, ppo, _ = (finish(store, kind) for kind in KINDS)
    page.evaluate("localStorage.clear()")
    page.goto("about:blank")
    visit(page, server, "loop")
    assert page.evaluate("'uPlot' in window") is False
    visit(page, server, "runs")
    for run, group in ((ppo, "reward"), (reward, "loss")):
        choose(page, run)
        expect(page.locator("#charts details[data-group][open]")).to_have_attribute("data-group", group)


def test_clicking_through_runs_of_different_kinds_shows_each_one_s_own_values(page, server, store):
    runs = [finish(store, kind) for kind in KINDS]
    visit(page, server, "runs")
    for run in (runs[1], runs[0], runs[2], runs[0], runs[1]):
        choose(page, run)
        expect_values_of(page, store, run)


def choose(page: Page, run: Run) -> None:
    """Choose a run in the table."""
    page.locator("#runs-table").get_by_role("link", name=run.public, exact=True).click()
    expect_charts_of(page, run)


def visit_run(page: Page, server: Server, run: Run) -> None:
    """Open the address of a run."""
    page.goto(f"{server.root}/train/#runs/{run.public}")
    expect_charts_of(page, run)


def expect_charts_of(page: Page, run: Run) -> None:
    """Expect the run on the screen and in its charts."""
    expect(page.locator("#run-head .card > b")).to_contain_text(run.public)
    expect(page.locator("#charts[aria-busy=false] figure .canvas").first).to_have_attribute(
        "aria-label", re.compile(f" of {run.public} by ")
    )


def test_new_values_of_a_live_run_arrive_without_a_loss_of_zoom_and_of_hidden_lines(page, server, store):
    run = start(store, "ppo")
    for step in range(1, 9):
        store.metrics.log(run.id, step, {"reward": -step, "entropy": 0.5 / step, "value_loss": step * step})
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/train/metrics" in request.url else None)
    visit(page, server, "runs")
    expect_values_of(page, store, run)
    asked.clear()
    entropy = page.locator("#charts figure[data-metric=entropy]")
    drag(page, entropy, 0.5, 0.9)
    page.locator("#charts figure[data-metric=reward] .legend button").click()
    wait_for_refreshes(page, 2)
    assert asked == []  # an idle page asks nothing
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
    visit_run(page, server, finish(store, "ppo"))
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
    visit_run(page, server, finish(store, "sft"))
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
    visit_run(page, server, runs[0])
    page.get_by_label("Add a run to compare").select_option(second)
    expect(page).to_have_url(re.compile(f"#runs/{first},{second}$"))
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
    hidden.first.click()  # shows the run again
    expect(hidden).to_have_count(0)
    page.get_by_role("button", name=f"Remove {first}").click()
    expect(page).to_have_url(re.compile(f"#runs/{second}$"))
    expect(labels).to_have_text([f"{second} PPO 0.4"])
    page.go_back()
    expect(labels).to_have_count(2)


def test_lines_are_smoothed_drawn_on_a_log_scale_and_by_episodes_or_seconds(page, server, store):
    timed, untimed = (finish(store, "ppo", {"batch_size": 32}) for _ in range(2))
    for step in (1, 2, 3):
        store.metrics.log(timed.id, step, {"seconds": 7.5 * step})
    page.goto(f"{server.root}/train/#runs/{timed.public},{untimed.public}")
    charts = page.locator("#charts")
    reward = charts.locator("figure[data-metric=reward]")
    charts.get_by_label("Smoothing").fill("0.5")  # 0.4 is newest: (0.4/2 - 0.5/4 - 1/8) / (1/2 + 1/4 + 1/8)
    expect(reward.locator(".legend b").first).to_have_text("-0.05714 (0.4)")
    charts.get_by_label("Log scale").check()
    expect(reward).to_contain_text("Values that are not above 0: 4. A log scale cannot show them.")
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
    charts.get_by_label("X axis").select_option("step")
    charts.get_by_label("Log scale").uncheck()
    charts.get_by_label("Smoothing").fill("0")
    expect(reward.locator(".legend b")).to_have_text(["0.4", "0.4"])


def test_a_plot_is_saved_as_its_values_and_as_a_picture(page, server, store):
    runs = [finish(store, "sft") for _ in range(2)]
    store.metrics.log(runs[1].id, 6, {"loss": 1e-6})
    first, second = (run.public for run in runs)
    page.goto(f"{server.root}/train/#runs/{first},{second}")
    expect(page.get_by_role("group", name="Runs in the plots")).to_contain_text(second)  # not those of the last address
    loss = page.locator("#charts figure[data-metric=loss]")
    assert saved(page, loss, "CSV", f"{first}-{second}-loss.csv").decode().split("\r\n") == [
        f"step,{first} loss,{second} loss",
        *(f"{step},{value:g},{value:g}" for step, value in enumerate(KINDS["sft"]["loss"], 1)),
        "6,,0.000001",
        "",
    ]
    picture = ElementTree.fromstring(saved(page, loss, "SVG", f"{first}-{second}-loss.svg"))
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert (texts[0], texts[-2].split()[0], texts[-1].split()[0]) == ("Training loss (loss)", first, second)
    assert saved(page, loss, "PNG", f"{first}-{second}-loss.png").startswith(b"\x89PNG")
    loss.locator(".legend button", has_text=first).click()
    drag(page, loss, 0.3, 0.7)  # 2.5 to 4.5
    assert (
        saved(page, loss, "CSV", f"{first}-{second}-loss.csv") == f"step,{second} loss\r\n3,2.5\r\n4,1.5\r\n".encode()
    )
    loss.get_by_role("button", name="Table of Training loss").click()
    expect(page.get_by_role("region", name="Training loss: the values shown").locator("td")).to_have_text(
        ["3", "2.5", "4", "1.5"]
    )
