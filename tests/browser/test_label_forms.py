# SPDX-License-Identifier: Apache-2.0
"""Rationales, aspects, edits, drafts and rankings on the labeler's page, in a real browser."""

from __future__ import annotations

from playwright.sync_api import expect

from data.tables.forms import Form
from tests.support.browsing import MARKS
from tests.support.label_desk import (
    expect_status,
    expect_text,
    shown_assignment,
    stored_draft,
    wait_until,
)

pytestmark = MARKS
NO_DRAFT_IN_TIME = (
    "() => { const wait = setTimeout; window.setTimeout = (work, pause) => (pause === 1000 ? 1 : wait(work, pause)); }"
)


def test_a_form_asks_for_what_is_missing_and_a_draft_survives_a_reload(label_store, desk, label_address):
    desk.begin(form=Form(rationale="required", aspects=("helpful", "true"), edit=True), pairs=1)
    page = desk.open(label_address)
    page.keyboard.press("6")
    expect_status(page, "Choose for each aspect")
    page.keyboard.press("3")
    page.keyboard.press("2")
    page.keyboard.press("e")
    page.keyboard.type("Better: ")
    for other_side_and_back in ("2", "6"):
        page.keyboard.press("Escape")
        page.keyboard.press(other_side_and_back)
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.type("It is kind.")
    assert wait_until(lambda: "It is kind." in stored_draft(label_store, page))
    assert desk.verdicts() == []
    page.on("dialog", lambda asks: asks.accept())
    page.reload()
    page.locator("#screen > *").first.wait_for()
    assert page.locator("#rationale").input_value() == "It is kind."
    right = page.locator(".answer .text").nth(1).inner_text()
    assert page.locator("#edit").input_value() == f"Better: {right}"
    page.keyboard.press("Enter")
    expect_text(page, "No items are left for you.")
    (event,) = label_store.comparisons.current(labeler_id=desk.account.id)
    assert (event.verdict, label_store.comparisons.rationale(event.id)) == ("right", "It is kind.")
    assert label_store.comparisons.aspects(event.id) == {"helpful": "right", "true": "tie"}
    edit = label_store.comparisons.edit(event.id)
    assert (edit.edited_id, edit.text) == (event.right_id, f"Better: {right}")


def test_what_is_being_written_stays_through_another_view_another_language_and_a_cut_network(
    label_store, desk, label_address
):
    desk.begin(form=Form(aspects=("helpful",)), pairs=1)
    page = desk.open(label_address)
    page.keyboard.press("r")
    page.keyboard.type("It is ")
    assert wait_until(lambda: "It is" in stored_draft(label_store, page))
    page.keyboard.type("kind")
    page.keyboard.press("Escape")
    page.locator("[name=helpful][value=right]").check()
    page.keyboard.press("m")
    expect(page.locator("#view")).to_have_text("mPlain text")
    assert page.locator("#rationale").input_value() == "It is kind"
    page.route("**/label/do/*", lambda route: route.abort())
    page.keyboard.press("r")
    page.keyboard.press("Home")
    page.keyboard.type("I think: ")
    page.keyboard.press("Escape")
    page.locator("#to_ko").click()
    expect_status(page, "서버가 응답하지 않습니다.")
    page.unroute("**/label/do/*")
    expect_status(page, "서버가 다시 응답합니다.")
    expect(page.locator("#rationale")).to_have_attribute("placeholder", "이유 (선택)")
    assert page.locator("#rationale").input_value() == "I think: It is kind"
    assert page.locator("#rationale").evaluate("(box) => box.selectionStart") == len("I think: ")
    assert page.locator("[name=helpful][value=right]").is_checked()
    assert wait_until(lambda: "I think: It is kind" in stored_draft(label_store, page))


def test_an_edit_that_is_refused_stays_where_it_was_written(label_store, desk, label_address):
    desk.begin(form=Form(edit=True), pairs=1)
    page = desk.open(label_address)
    page.keyboard.press("2")
    expect_text(page, "No items are left for you.")
    page.keyboard.press("u")
    expect_status(page, "Undone.")
    page.keyboard.press("e")
    page.keyboard.press("2")
    page.keyboard.insert_text("Better: ")
    assert wait_until(lambda: "Better" in stored_draft(label_store, page))
    page.locator("#edit").fill("x" * 21_000)
    page.keyboard.press("Control+Enter")
    expect_status(page, "The edited answer has 21000 characters. The limit is 20000.")
    assert page.locator("#edit").input_value() == "x" * 21_000
    page.locator("#edit").fill("kinder")
    page.keyboard.press("Control+Enter")
    expect_text(page, "No items are left for you.")
    (event,) = label_store.comparisons.current(labeler_id=desk.account.id)
    assert label_store.comparisons.edit(event.id).text == "kinder"


def test_what_was_written_last_is_kept_where_one_looks_back_or_undoes_and_stands_with_its_own_item_alone(
    label_store, desk, label_address
):
    desk.begin()
    page = desk.open(label_address)
    page.evaluate(NO_DRAFT_IN_TIME)
    box = page.locator("#rationale")
    first = shown_assignment(page)
    page.keyboard.press("r")
    page.keyboard.type("the first")
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    expect_status(page, "Recorded")
    second = shown_assignment(page)
    assert box.input_value() == ""
    for way, back in (("ArrowLeft", "Escape"), ("u", "2")):
        page.keyboard.press("r")
        page.keyboard.press("End")
        page.keyboard.type(f"{way} ")
        page.keyboard.press("Escape")
        page.keyboard.press(way)
        expect(page.locator("#desk")).to_have_attribute("data-assignment", first)
        assert box.input_value() == "the first"
        page.keyboard.press(back)
        expect(page.locator("#desk")).to_have_attribute("data-assignment", second)
    assert box.input_value() == "ArrowLeft u "
    (event,) = label_store.comparisons.current(labeler_id=desk.account.id)
    assert label_store.comparisons.rationale(event.id) == "the first"


def test_answers_are_ranked_by_keys_and_by_drag_and_an_unchanged_order_is_asked_about(label_store, desk, label_address):
    desk.begin(texts=("one", "two", "three"))
    page = desk.open(label_address)
    page.keyboard.press("Enter")
    expect_status(page, "Press Enter again to send it as it is.")
    letters = page.locator("#ranks .card").evaluate_all(
        "(all) => all.map((card) => card.querySelector('.text').textContent)"
    )
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("1")
    expect_status(page, "Answer C: place 1.")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("t")
    expect_status(page, "Answer B: place 2, tied.")
    page.keyboard.press("Enter")
    expect_status(page, "Recorded: C › A=B.")
    (ranking,) = label_store.rankings.current(labeler_id=desk.account.id)
    places = {label_store.completions.get(id).text: place for id, place in ranking.places.items()}
    assert [places[text] for text in letters] == [2, 2, 1]
    assert not ranking.unchanged

    grip, top = page.locator("#ranks .grip").nth(2).bounding_box(), page.locator("#ranks .place").nth(0).bounding_box()
    page.mouse.move(grip["x"] + 3, grip["y"] + 5)
    page.mouse.down()
    page.mouse.move(grip["x"] + 3, top["y"] + top["height"] / 2, steps=4)
    page.mouse.up()
    expect_status(page, "Answer C: place 1, tied.")
    page.locator("#send_order").click()
    expect_text(page, "No items are left for you.")
    assert sorted(label_store.rankings.current(labeler_id=desk.account.id)[-1].places.values()) == [1, 1, 2]
