# SPDX-License-Identifier: Apache-2.0
"""The Playground page in a real browser: answers side by side, a continued chat, a blind pair, a saved prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import Page, Request, expect

from data import Store
from tests.support.browsing import MARKS, sign_in, visit

pytestmark = MARKS


@pytest.fixture
def store(served_home) -> Iterator[Store]:
    store = Store(served_home)
    if store.policies.count() == 1:
        store.policies.add(name="second", kind="base", base=store.policies.get("p1").base, parent_id=1)
    yield store
    store.close()


def ask(page: Page, prompt: str) -> None:
    """Ask the policies that are chosen at first, the newest and its parent, and wait for both answers."""
    page.locator("#playground-prompt textarea").fill(prompt)
    page.locator("#playground-ask").click()
    expect(page.locator("#playground-answers article[data-state=done]")).to_have_count(2)


def words(text: str) -> list[str]:
    """Return the plain words of a random model's text: a page shows its control characters in its own way."""
    return re.findall(r"[a-z]{3,}", text)


def open_playground(page: Page, server) -> None:
    sign_in(page, server, "rae")
    visit(page, server, "playground")
    expect(page.locator("#playground-policies")).to_contain_text("second")


def test_two_policies_answer_and_the_answers_go_to_the_labelers_as_a_blind_pair(page, server, store):
    open_playground(page, server)
    ask(page, "Write a note to the playground.")
    pairs, shown = store.pairs.count(), page.locator("#playground-answers .told").all_inner_texts()
    expect(page.locator("#playground-answers")).to_contain_text("nats")
    page.locator("#playground-pair").click()
    expect(page.locator("#playground-kept")).to_contain_text("waits on the Label page")
    assert store.pairs.count() == pairs + 1
    pair = store.pairs.all()[-1]
    stored = [store.completions.get(id) for id in (pair.first_id, pair.second_id)]
    stored_texts = [answer.text for answer in stored]
    assert {answer.policy_id for answer in stored} == {1, 2}
    assert sorted(map(words, stored_texts)) == sorted(map(words, shown))
    assert store.prompts.get(pair.prompt_id).text == "Write a note to the playground."


def test_a_chat_goes_on_with_the_chosen_answer_and_is_saved_as_turns(page, server, store):
    open_playground(page, server)
    ask(page, "Write a first note.")
    kept = page.locator("#playground-answers .told").last.inner_text()
    page.locator("#playground-go-on").click()
    expect(page.locator("#playground-kept")).to_contain_text("2 complete answers are chosen. Choose 1.")
    page.locator("#playground-chosen input").first.uncheck()
    page.locator("#playground-go-on").click()
    expect(page.locator("#page-playground .chat")).to_contain_text("Write a first note.")
    page.locator("#playground-prompt textarea").fill("Shorter, please.")
    page.locator("#playground-set input, #playground-set textarea").first.fill("my chats")
    page.locator("#playground-save").click()
    expect(page.locator("#playground-kept")).to_contain_text("in the set my chats")
    (saved,) = store.prompts.all(source="my chats")
    assert [turn["role"] for turn in saved.messages] == ["user", "assistant", "user"]
    assert words(saved.messages[1]["content"]) == words(kept)
    page.locator("#playground-clear").click()
    expect(page.locator("#page-playground .chat")).to_have_count(0)
    expect(page.locator("#playground-answers article")).to_have_count(0)


def test_a_question_that_waits_for_its_model_is_shown_and_can_be_stopped(page, server, store):
    """The worker is held while the reader stops the question, so its speed decides nothing."""
    open_playground(page, server)
    ask(page, "Wake up.")
    (worker,) = [
        child
        for child in psutil.Process(server.process.pid).children(recursive=True)
        if "rlhf.playground.worker" in child.cmdline()
    ]
    worker.suspend()
    try:
        page.get_by_role("button", name="More settings").first.click()
        page.get_by_label("Longest answer (tokens)").fill("4000")
        page.locator("#playground-prompt textarea").fill("Write on and on.")
        page.locator("#playground-prompt textarea").press("Shift+Enter")
        expect(page.locator("#playground-answers article[data-state=waiting]")).to_have_count(2)
        with page.expect_response(lambda answer: "predict" in answer.url and asks_to_stop(answer.request)):
            page.locator("#playground-stop").click()
    finally:
        worker.resume()
    expect(page.locator("#playground-answers article[data-state=stopped]")).to_have_count(2)


def asks_to_stop(request: Request) -> bool:
    """Return whether the call is the stop button's: its only value is the question's number."""
    data = json.loads(request.post_data or "{}").get("data", [])
    return len(data) == 1 and str(data[0]).isdecimal()


def test_with_the_settings_open_an_empty_seed_is_another_one_for_each_question(page, server, store):
    open_playground(page, server)
    page.get_by_role("button", name="More settings").click()
    expect(page.locator("#playground-seed")).to_be_visible()
    seeds = set()
    for _ in range(2):
        ask(page, f"Write note {len(seeds)}.")
        seeds.add(page.locator("#playground-answers").get_by_text(re.compile(r"^Seed \d+$")).inner_text())
        page.locator("#playground-clear").click()
        expect(page.locator("#playground-answers article")).to_have_count(0)
    assert len(seeds) == 2


def test_the_address_chooses_policies_and_choosing_policies_moves_the_address(page, server, store):
    sign_in(page, server, "rae")
    visit(page, server, "playground/p2")
    chosen = page.locator("#playground-policies .token, #playground-policies [data-testid=token]")
    expect(page.locator("#playground-policies")).to_contain_text("second")
    expect(chosen).to_have_count(1)
    page.locator("#playground-policies input").click()
    page.get_by_role("option", name=re.compile("^.?.?p1")).click()
    expect(chosen).to_have_count(2)
    page.wait_for_url("**/train/#playground/p2,p1")
    page.evaluate("location.hash = 'playground/p1,p9'")
    expect(page.locator("#page-playground")).to_contain_text("There is no policy or endpoint p9.")
    expect(chosen).to_have_count(1)
