# SPDX-License-Identifier: Apache-2.0
"""The labeler's page over a cut network, a restarted server and a failing store: no verdict is lost or counted twice."""

from __future__ import annotations

from unittest.mock import Mock

import httpx
from playwright.sync_api import expect

from data.errors import StoreTrouble
from labeling.session import Session
from tests.support import PATIENCE
from tests.support.browsing import MARKS
from tests.support.label_desk import (
    expect_status,
    expect_text,
    serve_site,
    shown_assignment,
    wait_until,
)

pytestmark = MARKS
HASTE = """() => {
    const wait = setTimeout;
    window.pauses = [];
    window.setTimeout = (work, pause, ...more) => { if (pause >= 2000) pauses.push(pause); return wait(work, pause / 100, ...more); };
}"""

HASTE_OF_RETRIES = """() => {
    const wait = setTimeout;
    window.setTimeout = (work, pause, ...more) => wait(work, pause >= 2000 ? pause / 10 : pause, ...more);
}"""
WAITING_LOOKS = """() => {
    const wait = setTimeout, stop = clearTimeout;
    window.waiting = new Set();
    window.setTimeout = (work, pause, ...more) => { const id = wait(work, pause, ...more); if (pause >= 2000) waiting.add(id); return id; };
    window.clearTimeout = (id) => { waiting.delete(id); stop(id); };
}"""
RECORD_STATUSES = """() => {
    window.statuses = [];
    const record = () => window.statuses.push(document.querySelector("#status").textContent);
    new MutationObserver(record).observe(document.body, { childList: true, characterData: true, subtree: true });
}"""
"""Keep every text of the status line: a busy machine may look too late for one that stands for a moment."""


def test_an_answer_whose_acknowledgement_is_lost_is_sent_again_and_counts_once(desk, label_address):
    desk.begin()
    page = desk.open(label_address)
    first, lost = shown_assignment(page), []
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}

    def cut(route):
        if not lost:
            sent = route.request
            answer = httpx.post(
                sent.url, content=sent.post_data, headers=sent.headers, cookies=cookies, timeout=PATIENCE
            )
            lost.append(answer.status_code)
            route.abort()
        else:
            route.continue_()

    page.route("**/label/do/answer", cut)
    page.keyboard.press("3")
    wait_until(
        lambda: lost, pause=lambda seconds: page.wait_for_timeout(1000 * seconds)
    )  # a route's handler may end after the page has drawn
    expect_status(page, "Recorded: A slightly better.")
    assert lost == [200]
    assert shown_assignment(page) != first
    assert desk.verdicts() == ["left_slightly"]


def test_an_answer_given_while_the_server_is_away_is_kept_past_a_closed_tab_and_counts_when_it_is_back(
    label_store, desk
):
    desk.begin()
    with serve_site(label_store) as address:
        context = desk.sign_in(address)
        page = desk.open_tab(context, address)
    page.keyboard.press("6")
    expect_status(page, "saved in this browser")
    assert desk.verdicts() == []
    page.close(run_before_unload=False)
    with serve_site(label_store, int(address.rpartition(":")[2])):
        page = desk.open_tab(context, address)
        expect_status(page, "The server is back. Recorded: B better.")
        page.keyboard.press("4")
        expect_text(page, "No items are left for you.")
    assert desk.verdicts() == ["right", "tie"]


def test_a_page_that_was_open_while_the_server_restarted_goes_on_with_what_was_written(label_store, desk):
    desk.begin(pairs=3)
    with serve_site(label_store) as address:
        page = desk.open(address)
        page.keyboard.press("6")
        expect_status(page, "Recorded: B better.")
        page.keyboard.press("r")
        page.keyboard.type("kinder")
        page.keyboard.press("Escape")
    page.keyboard.press("2")
    expect_status(page, "saved in this browser")
    with serve_site(label_store, int(address.rpartition(":")[2])):
        expect_status(page, "The server is back. Recorded: A better.")
        page.keyboard.press("4")
        expect_text(page, "No items are left for you.")
    assert desk.verdicts() == ["right", "left", "tie"]
    assert [
        label_store.comparisons.rationale(event.id)
        for event in label_store.comparisons.current(labeler_id=desk.account.id)
    ].count("kinder") == 1


def test_an_answer_that_the_server_could_not_keep_stays_in_the_browser_and_counts_later(
    desk, label_address, monkeypatch
):
    desk.begin()
    page = desk.open(label_address)
    full = StoreTrouble("feedback.db: database or disk is full", "Free some space.")
    for key, problem, line in (
        ("3", full, "disk is full. Free some space. Your verdict"),
        ("6", RuntimeError("a fault"), "Your verdict"),
    ):
        with monkeypatch.context() as broken:
            broken.setattr(Session, "submit", Mock(side_effect=problem))
            page.keyboard.press(key)
            expect_status(page, f"{line} is saved in this browser and is sent automatically.")
        expect_status(page, "The server is back.")
    assert desk.verdicts() == ["left_slightly", "right"]


def test_an_answer_at_which_the_server_keeps_failing_stays_in_the_browser_and_waits_to_be_sent_again(
    desk, label_address, monkeypatch
):
    desk.begin()
    page = desk.open(label_address)
    page.evaluate("loop.limits.sending = 1000")  # HASTE counts pauses of 2 seconds and more
    page.evaluate(HASTE)
    with monkeypatch.context() as broken:
        broken.setattr(Session, "submit", failing := Mock(side_effect=RuntimeError("a fault")))
        page.keyboard.press("3")
        expect_status(page, "Your verdict is not recorded yet")
        assert (failing.call_count, page.evaluate("pauses")) == (5, [2000, 4000, 8000, 16000])
        page.keyboard.press("6")  # one answer at a time
        page.keyboard.press("Enter")
        assert wait_until(lambda: failing.call_count == 10)
        expect_status(page, "Your verdict is not recorded yet")
    page.locator("#try_again").click()
    expect_status(page, "The server is back. Recorded: A slightly better.")
    expect(page.locator("#try_again")).to_be_hidden()
    assert desk.verdicts() == ["left_slightly"]


def test_an_answer_that_gets_no_reply_is_given_up_and_sent_again_with_the_same_id(desk, label_address):
    desk.begin(pairs=3)
    page = desk.open(label_address)
    page.keyboard.press("3")
    expect_status(page, "Recorded: A slightly better.")
    page.evaluate("Object.assign(loop.limits, {answer: 1500, sending: 100})")
    page.evaluate(HASTE_OF_RETRIES)
    held, ids = [], []

    def hold(route):
        ids.append(route.request.post_data_json["answer"]["id"])
        held.append(route) if len(ids) < 3 else route.continue_()

    page.route("**/label/do/answer", hold)
    page.evaluate(RECORD_STATUSES)
    page.keyboard.press("5")
    expect_status(page, "The server is back. Recorded: B slightly better.")
    stages = ("Sending… the server has not answered yet.", "saved in this browser and is sent automatically.")
    seen = page.evaluate("statuses")
    first = [next(number for number, status in enumerate(seen) if stage in status) for stage in stages]
    assert first == sorted(first)
    assert not any("Recorded: B" in status for status in seen[: first[-1]])
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert desk.verdicts() == ["left_slightly", "right_slightly"]
    page.keyboard.press("4")
    expect_text(page, "No items are left for you.")


def test_a_panel_and_a_walk_back_that_get_no_reply_end_with_a_line_and_the_page_stays_usable(desk, label_address):
    desk.begin()
    page = desk.open(label_address)
    page.evaluate("Object.assign(loop.limits, {answer: 300, sending: 100})")
    for verb, key in (("history", "h"), ("older", "ArrowLeft"), ("guide", "g")):
        page.route(f"**/label/do/{verb}", lambda route: None)
        page.evaluate(RECORD_STATUSES)
        page.keyboard.press(key)
        page.wait_for_function("statuses.some(text => text.includes('The server does not respond. Try again.'))")
        assert page.locator(".panel:visible").count() == 0
        page.unroute(f"**/label/do/{verb}")
    page.evaluate("loop.limits.answer = 60000")
    page.keyboard.press("h")
    page.locator("#history-list h2").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    expect_status(page, "Recorded: A better.")


def test_while_the_server_is_silent_a_page_without_an_item_waits_for_one_retry_only(desk, label_address):
    desk.begin(pairs=0)
    page = desk.open(label_address)
    page.locator("#empty").wait_for()
    page.evaluate("Object.assign(loop.limits, {answer: 200, sending: 50})")
    asked = []
    page.route("**/label/do/look", lambda route: asked.append(route))
    page.evaluate(WAITING_LOOKS)
    for _ in range(3):
        page.evaluate("loop.look()")
    expect_status(page, "This page retries automatically.")
    assert wait_until(lambda: len(asked) == 3, pause=lambda seconds: page.wait_for_timeout(1000 * seconds))
    page.wait_for_timeout(1000)
    assert page.evaluate("waiting.size") == 1
