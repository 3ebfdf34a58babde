# SPDX-License-Identifier: Apache-2.0
"""Long conversations in a real browser: the system message in sight, earlier turns on demand, room for the turns."""

from __future__ import annotations

from itertools import count

import pytest
from playwright.sync_api import Page, expect

from data.splits import split_of
from data.tables.projects import STANDARD
from tests.browser.test_accessibility import violations
from tests.support.browsing import MARKS, picture
from tests.support.label_desk import address_to_write

pytestmark = MARKS
SYSTEM = {"role": "system", "content": "Answer in rhymes."}
CALL = {"function": {"name": "weather", "arguments": '{"city": "Seoul", "unit": "C"}'}}
TOOLS = [
    {"role": "user", "content": "Is it warm in Seoul?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "name": "weather", "content": "21 degrees, clear"},
]
SIZES = (("1280", {"width": 1280, "height": 800}, "light"), ("390", {"width": 390, "height": 844}, "light"))
LOOKS = (*SIZES, ("dark", {"width": 1280, "height": 800}, "dark"))
IN_SIGHT = """(selector) => {
    const box = document.querySelector(selector).getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 20));
    return box.top >= 0 && box.bottom <= innerHeight && Boolean(top?.closest(selector));
}"""
TO_THE_END = """() => {
    for (const box of [document.querySelector("#screen"), ...document.querySelectorAll(".scrolls")]) box.scrollTop = box.scrollHeight;
    scrollTo(0, document.documentElement.scrollHeight);
}"""


def talk(count: int, words: str = "") -> list[dict]:
    return [{"role": ("user", "assistant")[n % 2], "content": f"Turn {n}. {words}"} for n in range(count)]


def begin(desk, messages: list[dict], answers: tuple[str, ...] = ("A rhyme in time.", "Plain words.")) -> int:
    """Give the labeler a project with one item: these turns and these answers. Return the train prompt's number."""
    desk.begin(texts=answers, pairs=0)
    store = desk.store
    text = next(text for n in count() if split_of(text := f"{desk.name} talk {n}") == "train")
    prompt = store.prompts.add(text, messages=messages, source="test")
    ids = store.completions.add_many(
        {"prompt_id": prompt.id, "model_name": f"{desk.name} {n}", "text": text} for n, text in enumerate(answers)
    )
    if len(ids) == 2:
        store.projects.move_pairs(desk.project.id, [store.pairs.add(prompt.id, *ids).id])
    else:
        store.rankings.add_task(prompt.id, ids, project_id=desk.project.id)
    return prompt.id


def shown_turns(page: Page) -> list[str]:
    """Return the turns on the screen, also those that wait below the edge of their box."""
    return page.evaluate(
        "[...document.querySelectorAll('#prompt .turn')].filter((turn) => turn.checkVisibility()).map((turn) => turn.querySelector('.text').textContent.trim())"
    )


@pytest.mark.parametrize(("look", "viewport", "scheme"), LOOKS)
def test_four_short_turns_and_the_system_message_are_all_in_sight(desk, label_address, look, viewport, scheme):
    begin(desk, [SYSTEM, *talk(3)])
    page = desk.open(label_address, viewport=viewport, color_scheme=scheme)
    picture(page, f"turns-{look}")
    assert page.evaluate(IN_SIGHT, ".pinned")
    assert shown_turns(page) == ["Turn 0.", "Turn 1.", "Turn 2."]
    room = page.evaluate(
        "(() => { const box = document.querySelector('#prompt'); return box.scrollHeight - box.clientHeight; })()"
    )
    assert room <= 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("look", "viewport", "scheme"), LOOKS)
def test_a_long_conversation_shows_its_end_and_the_rest_on_demand(desk, label_address, look, viewport, scheme):
    begin(desk, [SYSTEM, *talk(81, "Words that fill a line or two of the box on a narrow screen.")])
    page = desk.open(label_address, viewport=viewport, color_scheme=scheme)
    picture(page, f"long-{look}")
    button = page.locator("#earlier > summary")
    expect(button).to_contain_text("79 earlier turns")
    assert len(shown_turns(page)) == 2
    page.evaluate(TO_THE_END)
    assert page.evaluate(IN_SIGHT, ".pinned")
    button.focus()
    page.keyboard.press("Enter")
    assert len(shown_turns(page)) == 81
    picture(page, f"long-open-{look}")
    page.evaluate(TO_THE_END)
    assert page.evaluate(IN_SIGHT, ".pinned")
    page.keyboard.press("c")
    assert len(shown_turns(page)) == 2
    page.locator(".pinned > summary").click()
    expect(page.locator(".pinned .gist")).to_have_text(SYSTEM["content"])
    expect(page.locator(".pinned .text")).to_be_hidden()
    page.keyboard.press("2")
    page.locator("#empty").wait_for()
    assert desk.verdicts() == ["left"]


def test_the_conversation_takes_the_height_that_short_answers_leave_and_no_more(desk, label_address):
    begin(desk, talk(4, "Many words of a long turn. " * 40))
    page = desk.open(label_address, viewport={"width": 1280, "height": 800})
    heights = "[...document.querySelectorAll('#screen, #prompt, #answers')].map((box) => box.offsetHeight)"
    screen, prompt, answers = page.evaluate(heights)
    assert prompt > 0.6 * screen
    hidden = "[...document.querySelectorAll('.answer')].map((box) => box.scrollHeight - box.clientHeight)"
    assert max(page.evaluate(hidden)) <= 1
    page.set_viewport_size({"width": 1280, "height": 620})
    page.wait_for_function(f"(before) => {heights}[0] < before", arg=screen)
    assert max(page.evaluate(hidden)) <= 1


def test_long_answers_keep_more_than_half_of_the_height(desk, label_address):
    begin(desk, talk(4, "Many words of a long turn. " * 40), ("One long answer. " * 300, "Another one. " * 300))
    page = desk.open(label_address, viewport={"width": 1280, "height": 800})
    screen, answers = page.evaluate(
        "[...document.querySelectorAll('#screen, #answers')].map((box) => box.offsetHeight)"
    )
    assert answers > 0.5 * screen


def test_tool_calls_and_their_results_are_shown_as_such(desk, label_address):
    begin(desk, TOOLS)
    page = desk.open(label_address, viewport={"width": 1280, "height": 800})
    picture(page, "tools")
    expect(page.locator(".turn.assistant .call b")).to_have_text("Tool call: weather")
    expect(page.locator(".turn.assistant .call .text")).to_contain_text('"city": "Seoul"')
    expect(page.locator(".turn.tool > b")).to_have_text("Tool result · weather")
    expect(page.locator(".turn.tool .text")).to_have_text("21 degrees, clear")


def test_no_long_conversation_violates_a_rule_on_any_page(desk, label_address):
    words = {"role": "system", "content": "Answer in rhymes and never in prose. " * 40}
    messages = [words, *TOOLS, *talk(9)]
    asked = begin(desk, messages, ("one", "two", "three"))
    page = desk.open(label_address)
    lines = violations(page, "conversation")
    page.keyboard.press("c")
    lines += violations(page, "all turns")
    desk.store.projects.add_members(STANDARD, [desk.account])
    page.goto(address_to_write(label_address, desk.store, asked))
    expect(page.locator(".turn.pinned > .scrolls")).to_contain_text("never in prose")
    picture(page, "write-turns")
    assert lines + violations(page, "write") == []
