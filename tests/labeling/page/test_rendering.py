# SPDX-License-Identifier: Apache-2.0
"""Rendering happens after the commit and off the writer's thread, within a budget, once per text."""

from __future__ import annotations

import threading

import pytest

from labeling.page import formatted, page_request, panels, screen
from labeling.session import Session
from tests.support.labeling.answers import answer_body

DEGENERATE = "![" * 14_000


@pytest.fixture
def rendered(store, monkeypatch):
    """The renders of a test, each as (function, thread, whether that thread is in a transaction)."""
    calls = []

    def watch(module, name):
        original = getattr(module, name)

        def call(*values, **more):
            calls.append((name, threading.current_thread().name, store.db.conn.in_transaction))
            return original(*values, **more)

        monkeypatch.setattr(module, name, call)

    for module, name in (
        (screen, "screen"),
        (screen, "empty"),
        (screen, "format_text"),
        (panels, "format_text"),
        (panels, "guideline"),
        (panels, "history"),
        (page_request, "render_item"),
        (page_request, "render_empty"),
    ):
        watch(module, name)
    return calls


def test_no_verb_renders_inside_the_transaction_or_on_the_writers_thread(store, add_pairs, ask, rendered):
    add_pairs(3)
    view = {"view": "formatted"}
    first = ask("look", view)
    second = ask("answer", answer_body(first) | view)
    ask("answer", answer_body(first, number=1) | view)
    ask("history", view)
    ask("guide", {"assignment": second["item"]["assignment"]})
    ask("undo", view)
    third = ask("answer", answer_body(ask("look", view), number=2) | view)
    ask("older", {"before": ""} | view)
    fourth = ask("answer", answer_body(third, number=3) | view)
    ask("skip", {"assignment": fourth["item"]["assignment"], "reason": "unclear"} | view)
    assert {name for name, _, _ in rendered} == {
        "screen",
        "empty",
        "format_text",
        "guideline",
        "history",
        "render_item",
        "render_empty",
    }
    assert all(thread.startswith("render") for _, thread, _ in rendered)
    assert not any(is_inside for _, _, is_inside in rendered)


def test_another_labelers_next_pair_does_not_wait_for_a_text_that_is_being_rendered(store, add_pairs, ask, monkeypatch):
    add_pairs(4)
    begun, go = threading.Event(), threading.Event()

    def slow(text):
        begun.set()
        assert go.wait(60)
        return text

    monkeypatch.setattr(screen, "format_text", slow)
    replies = []
    looking = threading.Thread(target=lambda: replies.append(ask("look", {"view": "formatted"})))
    looking.start()
    assert begun.wait(60)
    jun = Session(store, store.accounts.add("Jun", "labeler"))
    assert ask.group_commit.submit(jun.next).result(60)
    assert not replies
    go.set()
    looking.join(60)
    assert replies[0]["item"]["kind"] == "pair"


def test_a_degenerate_answer_makes_all_answers_of_its_item_plain_and_the_page_says_so(store, ranking, ask, monkeypatch):
    prompt = store.prompts.add("Rank them.", source="test")
    texts = ["**kind**", DEGENERATE, "plain"]
    rows = [{"prompt_id": prompt.id, "model_name": "m", "text": text, "number": n} for n, text in enumerate(texts)]
    store.rankings.add_task(prompt.id, store.completions.add_many(rows))
    formatted._format_text.cache_clear()
    parses = []
    call = formatted.PROCESS.call
    monkeypatch.setattr(formatted.PROCESS, "call", lambda *values: parses.append(values) or call(*values))
    for language, note in (("en", "shown as plain text"), ("ko", "원문으로")):
        shown = ask("look", {"view": "formatted"}, headers={"accept-language": language})["regions"]["screen"]
        assert shown.count("class=note") == 1
        assert note in shown
        assert shown.count("class=text dir=auto>") == 3
        assert "<strong>kind" not in shown
        assert DEGENERATE in shown
    assert parses == [("markdown", DEGENERATE, False)]  # the second look renders nothing


def test_a_degenerate_prompt_or_guideline_is_plain_and_the_answers_stay_formatted(store, ask):
    prompt = store.prompts.add(DEGENERATE, source="test")
    ids = store.completions.add_many(
        {"prompt_id": prompt.id, "model_name": m, "text": f"**{m}**", "number": 0} for m in ("one", "two")
    )
    store.pairs.add(prompt.id, *ids)
    store.projects.change(1, guideline=DEGENERATE)
    reply = ask("look", {"view": "formatted"})
    shown = reply["regions"]["screen"]
    assert "<strong>one</strong>" in shown
    assert shown.count("class=note") == 1
    guide = ask("guide", {"assignment": reply["item"]["assignment"]})["regions"]["guide-text"]
    assert guide.startswith("<p class=note>")
    assert f"<pre>{DEGENERATE}</pre>" in guide
