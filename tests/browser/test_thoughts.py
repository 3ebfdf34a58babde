# SPDX-License-Identifier: Apache-2.0
"""A model's thoughts in a real browser: folded on every labeler's page, opened by mouse and keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from data.thoughts import join_thoughts
from tests.support.browsing import MARKS

pytestmark = MARKS
ANSWER = join_thoughts("First a fox.\nThen <b>a lamb</b>?", "A lamb.")


def opened(desk, address, place):
    page = desk.sign_in(address).new_page()
    page.goto(f"{address}/label/{place}")
    return page


@pytest.fixture
def rated_row(label_store):
    """A row of the train split with thoughts before its answer."""
    rows = (label_store.instructions.add(f"Name animal {n}.", ANSWER, source="test") for n in range(20))
    return next(row for row in rows if row.split == "train")


@pytest.fixture
def written_answer(label_store):
    """An answer that waits for its review, written by another labeler."""
    prompts = (label_store.prompts.add(f"Draw animal {n}.", source="test") for n in range(20))
    prompt = next(prompt for prompt in prompts if prompt.split == "train")
    author = label_store.accounts.add("author", "labeler")
    return label_store.demonstrations.write("0123456789abcdef", prompt.id, author.id, ANSWER)


def check_folded(page, box):
    """Claim that the box shows the answer alone, and its thoughts as plain text after a click and by keyboard."""
    answer = page.locator(box).filter(has=page.locator(".thoughts")).first
    thoughts, summary = answer.locator(".thoughts > div"), answer.locator("summary")
    expect(answer).to_contain_text("A lamb.")
    expect(thoughts).to_be_hidden()
    summary.click()
    expect(thoughts).to_be_visible()
    assert thoughts.inner_text() == "First a fox.\nThen <b>a lamb</b>?"
    summary.press("Enter")
    expect(thoughts).to_be_hidden()


@pytest.mark.parametrize("answers", [2, 3])
def test_thoughts_are_folded_while_comparing_and_ranking(desk, label_address, answers):
    desk.begin(texts=(ANSWER, "A plain answer.", "Another one.")[:answers])
    page = desk.open(label_address)
    if answers == 3:
        page.locator(".card", has=page.locator(".thoughts")).click()
    check_folded(page, ".answer" if answers == 2 else ".card")
    assert desk.verdicts() == []


@pytest.mark.usefixtures("rated_row")
def test_thoughts_are_folded_while_rating(desk, label_address, label_store):
    check_folded(opened(desk, label_address, "rate"), ".text")
    assert label_store.ratings.count_by(desk.account.id) == 0


@pytest.mark.usefixtures("written_answer")
def test_thoughts_are_folded_while_reviewing(desk, label_address):
    check_folded(opened(desk, label_address, "review"), "#answer")
