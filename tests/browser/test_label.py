# SPDX-License-Identifier: Apache-2.0
"""The labeler's page in a real browser: keys, mouse, a phone, Korean, two tabs, hostile answers.

One server and one browser serve the file. Every test has its own labeler and labeling project. Records are read from the
store, never from the page.
"""

from __future__ import annotations

import re

from playwright.sync_api import expect

from data.tables.forms import Form
from tests.labeling.page.test_markdown import HARMFUL
from tests.support.browsing import MARKS
from tests.support.label_desk import (
    expect_status,
    expect_text,
    shown_assignment,
    wait_for_failed_image,
)

pytestmark = MARKS
TRICKS = '<img src=x onerror="window.ran=1"> ${window.ran=2} {{value}} C:\\new `x`'


PHONE = {"viewport": {"width": 390, "height": 844}}


def test_a_labeler_ranks_skips_flags_and_undoes_by_keyboard(label_store, desk, label_address):
    desk.begin(texts=(f"{TRICKS} plain", f"{TRICKS} kind"), pairs=3)
    page = desk.open(label_address)
    texts = page.locator(".answer .text").all_inner_texts()
    assert sorted(texts) == [f"{TRICKS} kind", f"{TRICKS} plain"]
    assert page.evaluate("window.ran") is None

    first = shown_assignment(page)
    page.keyboard.press("2")
    expect_status(page, "Recorded: A better.")
    (event,) = label_store.comparisons.current(labeler_id=desk.account.id)
    assert (event.verdict, label_store.completions.get(event.left_id).text) == ("left", texts[0])
    assert 0 <= label_store.active_time.get(event.id) <= event.seconds
    page.keyboard.press("u")
    expect_status(page, "Undone.")
    assert shown_assignment(page) == first
    page.keyboard.press("7")
    expect_status(page, "Recorded: B much better.")
    page.keyboard.press("s")
    page.locator("#skip_unclear").wait_for()
    page.keyboard.press("1")
    expect_status(page, "Skipped.")
    page.keyboard.press("f")
    page.locator("#flag_words").wait_for()
    page.keyboard.press("Tab")
    page.locator(".panel:visible input").fill("names its author")
    page.keyboard.press("Enter")
    expect_text(page, "No items are left for you.")
    assert desk.verdicts() == ["left", "withdrawn", "right_much"]
    mine = "SELECT kind, reason FROM skips JOIN assignments ON id = assignment_id WHERE labeler_id = ? ORDER BY skips.created_at"
    assert [tuple(row.values()) for row in label_store.rows(mine, [desk.account.id])] == [
        ("skip", "unclear"),
        ("flag", "names its author"),
    ]
    for line in ("Press undo again to undo the verdict before it.", "Undone."):
        page.keyboard.press("u")
        expect_status(page, line)
    assert shown_assignment(page) == first
    assert desk.verdicts() == ["left", "withdrawn", "right_much", "withdrawn"]
    assert desk.outside_requests == []


def test_nothing_in_a_formatted_answer_loads_runs_covers_or_takes_an_id(desk, label_address):
    everything = "\n\n".join(HARMFUL)
    desk.begin(form=Form(markdown=True), texts=(everything, f"{everything}\n\nkind"), pairs=1)
    page = desk.open(label_address)
    expect_text(page, "over", ".answer >> nth=0")
    wait_for_failed_image(page)
    assert page.evaluate("window.ran") is None
    assert page.locator("#screen :is(img, iframe, form, input, video, script, style, svg, a)").count() == 0
    ids = page.evaluate("[...document.querySelectorAll('#desk [id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))
    on_top = "(id) => { const box = document.getElementById(id).getBoundingClientRect();"
    on_top += " return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2).closest('button')?.id === id; }"
    assert all(page.evaluate(on_top, name) for name in ("left", "tie", "right_much", "skip"))
    page.keyboard.press("1")
    expect_text(page, "No items are left for you.")
    assert desk.outside_requests == []


def test_on_a_phone_in_korean_and_dark_everything_is_reached_by_touch(desk, label_address):
    desk.begin()
    page = desk.open(label_address, locale="ko-KR", color_scheme="dark", has_touch=True, **PHONE)
    expect_text(page, "A가 훨씬 낫다")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    upper, lower = (page.locator(".answer").nth(number).bounding_box() for number in (0, 1))
    assert upper["y"] + upper["height"] <= lower["y"]
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in dark[4:-1].split(",")) < 60
    page.locator("#tie").tap()
    expect_status(page, "기록됨: 비슷하다.")
    page.locator("#to_en").tap()
    expect_text(page, "A much better")
    assert page.evaluate("document.documentElement.lang") == "en"
    page.locator("#undo").tap()
    expect_status(page, "Undone.")
    assert desk.verdicts() == ["tie", "withdrawn"]


def test_keys_count_by_their_place_under_hangul_and_never_while_writing(desk, label_address):
    desk.begin()
    page = desk.open(label_address)
    press = "([key, code, more]) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, code, bubbles: true, ...more }))"
    page.evaluate(press, ["ㄴ", "KeyS", {}])
    page.locator("#skip_unclear").wait_for()
    page.keyboard.press("Escape")
    page.evaluate(press, ["1", "Digit1", {"isComposing": True}])
    page.evaluate(press, ["1", "Digit1", {"ctrlKey": True}])
    page.evaluate(press, ["!", "Digit1", {"shiftKey": True}])
    page.keyboard.press("r")
    page.keyboard.type("12 s u")
    assert desk.verdicts() == []
    page.keyboard.press("Escape")
    page.evaluate(press, ["&", "Digit1", {}])  # a French keyboard's 1
    expect_status(page, "Recorded: A much better.")
    assert desk.verdicts() == ["left_much"]


def test_by_mouse_one_walks_back_and_corrects(label_store, desk, label_address):
    desk.begin()
    page = desk.open(label_address)
    first = shown_assignment(page)
    page.locator("#left").click()
    expect_status(page, "Recorded: A better.")
    page.locator("#history").click()
    page.locator("#history-list li button").click()
    expect_text(page, "To change it, choose another verdict.")
    assert shown_assignment(page) == first
    page.locator("#rationale").fill("a bell \x07")
    page.locator("#right_slightly").click()
    expect_status(page, "The text contains the character U+0007")
    assert shown_assignment(page) == first
    assert page.locator("#rationale").input_value() == "a bell \x07"
    page.locator("#rationale").fill("a bell")
    page.locator("#back").click()
    page.locator("#past").wait_for(state="detached")
    assert page.locator("#rationale").input_value() == ""
    page.locator("#history").click()
    page.locator("#history-list li button").click()
    page.locator("#past").wait_for()
    assert page.locator("#rationale").input_value() == "a bell"
    expect(page.locator("#right_slightly")).to_have_attribute("aria-pressed", "true")
    page.locator("#send").click()
    expect_status(page, "Changed from A better to B slightly better.")
    page.locator("#back").click()
    page.locator("#past").wait_for(state="detached")
    assert shown_assignment(page) != first
    (current,) = label_store.comparisons.current(labeler_id=desk.account.id)
    assert (current.verdict, current.assignment_id, label_store.comparisons.rationale(current.id)) == (
        "right_slightly",
        first,
        "a bell",
    )


def test_two_tabs_of_one_person_record_one_answer_and_the_other_moves_on(desk, label_address):
    desk.begin()
    context = desk.sign_in(label_address)
    first_tab, second_tab = desk.open_tab(context, label_address), desk.open_tab(context, label_address)
    first = shown_assignment(first_tab)
    assert shown_assignment(second_tab) == first
    first_tab.keyboard.press("1")
    expect_status(first_tab, "Recorded: A much better.")
    expect_status(second_tab, "You continued in another tab.")
    assert shown_assignment(second_tab) == shown_assignment(first_tab) != first
    second_tab.keyboard.press("7")
    expect_text(second_tab, "No items are left for you.")
    expect_text(first_tab, "No items are left for you.")
    assert desk.verdicts() == ["left_much", "right_much"]


def test_ten_people_who_answer_at_once_get_each_pair_once_and_every_answer_is_there(label_store, desk, label_address):
    desk.begin(pairs=30)
    people = [label_store.accounts.add(f"one of ten, {number}", "labeler") for number in range(10)]
    label_store.projects.add_members(desk.project.id, people)
    pages = [desk.open(label_address, account=person) for person in people]
    assert len({shown_assignment(page) for page in pages}) == 10
    for answered in range(1, 4):
        for page in pages:
            page.keyboard.press("1")
        for page in pages:
            expect_text(page, f"{answered} today", "#progress")
    events = [event for event in label_store.comparisons.events() if event.project_id == desk.project.id]
    assert len({event.pair_id for event in events}) == len(events) == 30
    assert [sum(event.labeler_id == person.id for event in events) for person in people] == [3] * 10


def test_the_hold_is_counted_down_and_its_end_is_said(label_store, desk, label_address):
    desk.begin(pairs=1)
    page = desk.open(label_address)
    expect_text(page, re.compile(r"lease ends in \d:\d\d"), "#hold")
    page.route(
        "**/label/do/look",
        lambda route: route.fulfill(json={**(reply := route.fetch().json()), "item": {**reply["item"], "left": 1}}),
    )
    page.keyboard.press("m")
    expect_status(page, "Your lease on this item has ended.")
    page.keyboard.press("1")
    expect_text(page, "No items are left for you.")
    assert desk.verdicts() == ["left_much"]


def test_the_line_on_invented_words_stays_hidden_in_the_browser_that_hid_it(label_store, desk, label_address):
    desk.begin(pairs=3)
    label_store.execute("UPDATE prompts SET source = 'starter' WHERE text LIKE ?", [f"{desk.name}:%"])
    context = desk.sign_in(label_address)
    page = desk.open_tab(context, label_address)
    line = page.locator("#invented")
    expect(line).to_contain_text("Words such as “wallhat” are invented")
    line.get_by_role("button", name="Hide").click()
    expect(line).to_be_hidden()
    first = shown_assignment(page)
    page.keyboard.press("1")
    expect(page.locator("#desk")).not_to_have_attribute("data-assignment", first)
    expect(page.locator(".answer").first).to_be_visible()
    assert not line.is_visible()
    again = desk.open_tab(context, label_address)
    expect(again.locator(".answer").first).to_be_visible()
    assert not again.locator("#invented").is_visible()
    other = desk.open(label_address, locale="ko-KR")
    expect(other.locator("#invented")).to_contain_text("지어낸 말입니다")
