# SPDX-License-Identifier: Apache-2.0
"""GET /train/runs/ended tells each end once, and the page shows what the webhook did not get."""

from __future__ import annotations

import gradio as gr
import pytest
from starlette.testclient import TestClient

from data.records import Note
from labeling.accounts.sign_in import COOKIE
from labeling.texts.reader import writing_in
from rlhf.pages.runs.notices import ended_document, notices_html
from rlhf.pages.runs.page import RunsPage
from rlhf.pages.site import compose_site
from rlhf.runs.webhook import write_webhook


def end_run(store, state):
    store.runs.enqueue("ppo", {}, "rae")
    return store.runs.finish(store.runs.claim().id, state)


def test_the_first_answer_tells_no_old_end_and_each_later_one_only_the_new(store):
    assert ended_document(store, None) == {"after": "", "ended": []}
    store.notes.set("run", 1, Note("mine"))
    first = end_run(store, "failed")
    assert ended_document(store, "") == {
        "after": first.ended_at,
        "ended": [{"run": "run1", "line": "run1 · PPO · mine: failed"}],
    }
    assert ended_document(store, None) == {"after": first.ended_at, "ended": []}
    store.runs.enqueue("ppo", {}, "rae")
    assert ended_document(store, first.ended_at) == {"after": first.ended_at, "ended": []}
    store.runs.request_cancel(2)
    with writing_in("ko"):
        (told,) = ended_document(store, first.ended_at)["ended"]
    assert told == {"run": "run2", "line": "run2 · PPO: 취소됨"}


def test_only_researchers_ask(store):
    client = TestClient(compose_site(store), base_url="http://127.0.0.1")
    for role, query, status in (("researcher", "", 200), ("researcher", "?after=now", 400), ("labeler", "", 403)):
        account = store.accounts.by_name(role) or store.accounts.add(role, role)
        client.cookies.set(COOKIE, store.tokens.issue("session", account.id, 600))
        assert client.get(f"/train/runs/ended{query}").status_code == status, role


@pytest.mark.parametrize(
    "kept", ["{", "[]", "{}", '{"url": "ftp://t0ken", "since": ""}', '{"url": 5, "since": "2026-01-01"}']
)
def test_a_damaged_webhook_is_one_line_of_the_page_with_the_remedy(store, kept):
    (store.home / "webhook.json").write_text(kept)
    drawn = notices_html(store)
    assert "webhook.json in the home is damaged" in drawn
    assert "preference-loop runs webhook URL" in drawn
    assert "id=notify" in drawn
    assert "t0ken" not in drawn
    with writing_in("ko"):
        assert "손상" in notices_html(store)


def test_the_page_names_the_host_of_the_webhook_and_the_end_that_it_did_not_get(store):
    assert "webhook" not in notices_html(store)
    write_webhook(store.home, "https://hooks.example.org/secret")
    with gr.Blocks():
        page = RunsPage(store, gr.Button().click)
    end_run(store, "done")
    drawn = page.refresh("run1", "", "")
    assert "hooks.example.org" in drawn[page.list.notices]
    assert "secret" not in drawn[page.list.notices]
    store.webhook_deliveries.record(1, "hooks.example.org answered 500: <b>")
    marks = drawn[page.seen], drawn[page.list.seen], drawn[page.note.seen], drawn[page.log.seen]
    again = page.refresh("run1", *marks)
    assert "did not get the end of this run: hooks.example.org answered 500: &lt;b&gt;" in again[page.head]
