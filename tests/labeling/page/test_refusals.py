# SPDX-License-Identifier: Apache-2.0
"""Refusals of the page: malformed bodies, faults, and trouble of the store."""

from __future__ import annotations

import pytest

from data.errors import Busy, StoreTrouble
from labeling.session import Session
from tests.support.labeling.answers import answer_body


@pytest.mark.parametrize(
    ("problem", "status", "wait", "told"),
    [
        (StoreTrouble, 507, None, "서버의 저장소에 쓸 수 없습니다. 연구자에게 알려 주세요 ({})."),
        (Busy, 503, "2", "다른 프로그램이 저장소를 쓰고 있습니다. 잠시 뒤에 다시 해 보세요 ({})."),
    ],
)
def test_what_the_store_could_not_keep_has_its_status_and_a_line_in_the_readers_language(
    add_pairs, ask, monkeypatch, problem, status, wait, told
):
    add_pairs(1)
    first = ask("look")

    def fails(session, answer):
        raise problem("feedback.db: database or disk is full", "Free some space.")

    monkeypatch.setattr(Session, "submit", fails)
    reply = ask.client.post("/label/do/answer", json=answer_body(first), headers={"accept-language": "ko"})
    assert (reply.status_code, reply.headers.get("retry-after")) == (status, wait)
    told = told.format("feedback.db: database or disk is full. Free some space.")
    assert reply.json() == {"line": {"text": f"저장하지 못했습니다: {told}", "bad": True}}


def test_nonsense_is_refused_with_one_line_and_changes_nothing(store, add_pairs, ask):
    add_pairs(1)
    assert ask("answer", {"answer": "left"})["line"]["bad"]
    assert ask("answer", {"answer": {"id": "page-answer-0", "assignment": 7, "verdict": ["left"]}})["line"]["bad"]
    assert ask("rank", {"answer": {"id": "page-answer-0", "assignment": "x", "places": 3}})["line"]["bad"]
    assert ask("skip", {"assignment": None, "reason": 4})["line"]["bad"]
    bodies = (b"{", b"[" * 100_000, b"[]", b" " * 300_000)
    sent = [
        ask.client.post("/label/do/look", content=body, headers={"content-type": "application/json"}) for body in bodies
    ]
    assert [(answer.status_code, answer.json()["error"]) for answer in sent[:3]] == [
        (400, "the body is not JSON"),
        (400, "the body is not JSON"),
        (400, "the body is list, not an object"),
    ]
    assert sent[3].status_code == 413
    assert store.comparisons.events() == []


def test_a_body_that_a_form_of_another_site_could_send_is_refused_whatever_is_in_it(store, add_pairs, ask):
    add_pairs(1)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        for body in (b"{}", b""):
            assert ask.client.post("/label/do/look", content=body, headers={"content-type": kind}).status_code == 415
    assert store.value("SELECT count(*) FROM assignments") == 0


@pytest.mark.parametrize(
    "content", ['{"aspects": {"a": NaN}}', '{"places": [1e999]}', '{"places": [-Infinity]}', '{"rationale": %s}']
)
def test_a_draft_that_could_not_be_read_back_is_refused_and_the_one_before_stays(add_pairs, ask, content):
    add_pairs(1)
    item = ask("look")["item"]["assignment"]
    ask("draft", {"assignment": item, "content": {"rationale": "begun"}})
    content = content.replace("%s", "[" * 5000 + "]" * 5000)
    answer = ask.client.post("/label/do/draft", content=f'{{"assignment": "{item}", "content": {content}}}')
    assert answer.status_code in (200, 400)
    assert "error" in answer.json() or answer.json()["line"]["bad"]
    assert ask("look")["item"]["draft"] == {"rationale": "begun"}


def test_a_fault_of_the_server_is_not_blamed_on_the_body(ask, monkeypatch):
    def fails(session):
        raise ValueError("a fault")

    monkeypatch.setattr(Session, "next", fails)
    with pytest.raises(ValueError, match="a fault"):
        ask("look")
