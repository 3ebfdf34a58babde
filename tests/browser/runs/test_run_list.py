# SPDX-License-Identifier: Apache-2.0
"""The list and the form of the Runs page in a real browser: notes, search, presets and several runs cancelled at once."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.runs.run_charts import finish, start
from tests.support.browsing import MARKS, picture, visit

pytestmark = MARKS


def test_a_run_is_named_found_archived_and_hidden(page, server, store):
    named, other = (finish(store, kind).public for kind in ("sft", "ppo"))
    page.goto(f"{server.root}/train/#runs/{named}")
    table, head = page.locator("#runs-table"), page.locator("#run-head .card > b")
    expect(head).to_contain_text(named)
    page.locator("#runs-note").get_by_role("button", name="Name, tags and note").click()
    page.locator("#runs-note").get_by_label("Name", exact=True).fill("the long one")
    page.locator("#runs-note").get_by_label("Tags").fill("lr, keep")
    page.locator("#runs-note-save").click()
    expect(page.locator("#runs-note-status")).to_contain_text(f"Saved the name, tags and note of {named}")
    expect(head).to_contain_text("the long one")
    expect(table).to_contain_text("the long one")
    page.get_by_label("Search runs").fill("long lr")
    expect(page.locator("#runs-count")).to_contain_text("1 of ")
    expect(table.get_by_role("link", name=other, exact=True)).to_have_count(0)
    picture(page, "run-list")
    page.locator("#runs-note").get_by_label("Archived").check()
    page.locator("#runs-note-save").click()
    expect(page.locator("#runs-count")).to_contain_text("0 of ")
    page.get_by_label("Search runs").fill("")
    expect(page.locator("#runs-count")).to_contain_text("1 archived run is hidden.")
    expect(table.get_by_role("link", name=other, exact=True)).to_be_visible()
    page.get_by_label("Show archived runs").check()
    expect(table).to_contain_text("the long one")


def test_a_preset_fills_and_marks_the_fields_and_the_time_follows(page, server, store):
    visit(page, server, "runs")
    opener = page.get_by_role("button", name="Start a run")
    if not page.locator("#kinds").is_visible():
        opener.click()
    page.get_by_role("tab", name="PPO").click()
    page.locator("#preset-ppo").get_by_label("Quick").check()
    expect(page.locator("#preset-ppo-line")).to_contain_text("max steps 9 instead of 36")
    steps, size = page.locator("#ppo-max_steps"), page.locator("#ppo-batch_size")
    for field, value in ((steps, "9"), (size, "64")):
        expect(field.locator("input")).to_have_value(value)
        expect(field).to_have_class(re.compile(r"\bchanged\b"))
    expect(size).to_be_visible()  # the fold opened
    picture(page, "preset")
    page.locator("#preset-ppo").get_by_label("Standard").check()
    expect(steps.locator("input")).to_have_value("36")
    expect(steps).not_to_have_class(re.compile(r"\bchanged\b"))


def test_chosen_runs_are_cancelled_at_once(page, server, store):
    working = start(store, "ppo")  # so that the others wait
    waiting = [store.runs.enqueue("sft", {}, "rae").public for _ in range(2)]
    visit(page, server, "runs")
    page.get_by_role("button", name="Cancel several runs").click()
    for run in waiting:
        page.locator("#cancel-choice input").click()
        page.get_by_role("option", name=re.compile(f"^{run} ")).click()
    page.keyboard.press("Escape")
    page.locator("#cancel-chosen").click()
    expect(page.locator("#cancel-status")).to_contain_text(f"Removed from the queue: {waiting[1]}, {waiting[0]}.")
    expect(page.locator("#bulk-cancel")).to_be_hidden()  # one run alone has a button of its own
    store.runs.finish(working.id, "done")


RECORD = """() => { window.told = []; window.Notification = class { constructor(line, { tag }) { told.push([tag, line]); }
    static permission = "default"; static async requestPermission() { return this.permission = "granted"; } }; }"""


def test_the_end_of_a_run_stands_in_the_title_and_in_a_notification_if_a_person_asked(page, server, store):
    visit(page, server, "runs")
    page.evaluate(RECORD)
    silent, told = start(store, "sft"), start(store, "ppo")
    with page.expect_response("**/train/runs/ended*"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    visit(page, server, "loop")
    store.runs.finish(silent.id, "done")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page).to_have_title(re.compile(r"^\(\d+\) Preference Loop$"))  # those of the tests before may be among them
    visit(page, server, "runs")
    expect(page).to_have_title("Preference Loop")
    page.get_by_role("button", name="Notify me when a run ends").click()
    expect(page.get_by_role("button", name="Notifications are on")).to_have_attribute("aria-pressed", "true")
    visit(page, server, "loop")
    store.runs.finish(told.id, "failed")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page).to_have_title("(1) Preference Loop")
    assert page.evaluate("told") == [[told.public, f"{told.public} · PPO: failed"]]
