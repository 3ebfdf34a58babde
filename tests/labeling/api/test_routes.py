# SPDX-License-Identifier: Apache-2.0
"""The HTTP API: the session's verbs with the same fields, through the gate."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from sqlite_utils.utils import sqlite3


def test_a_program_asks_answers_undoes_and_skips(client, store, add_pairs):
    add_pairs(1)
    item = client.post("/api/v1/next").json()["item"]
    assert set(item) == {"assignment", "prompt", "left", "right", "expires_at"}
    answer = {"id": "program-answer-1", "assignment": item["assignment"], "verdict": "left", "rationale": "kinder"}
    first = client.post("/api/v1/submit", json=answer)
    assert first.status_code == 200
    assert client.post("/api/v1/submit", json=answer).json() == first.json()
    assert client.post("/api/v1/next").json() == {"item": None, "why": {"reason": "all_done", "pairs": 0, "minutes": 0}}
    assert client.post("/api/v1/undo").json()["item"]["assignment"] == item["assignment"]
    assert client.post("/api/v1/skip", json={"assignment": item["assignment"], "reason": "unsure"}).json() == {}
    assert [event.verdict for event in store.comparisons.events()] == ["left", "withdrawn"]


def test_a_program_of_a_member_of_another_project_gets_no_item_of_the_standard_project(client, store, add_pairs):
    (pair,) = add_pairs(1)
    other = store.projects.add("Other")
    store.projects.add_members(other.id, [store.accounts.by_name("Mina")])
    assert client.post("/api/v1/next").json()["item"] is None
    store.projects.move_pairs(other.id, [pair.id])
    assert client.post("/api/v1/next").json()["item"]["prompt"] == "Write note 0."


def test_without_a_good_token_nothing_is_said(client, store):
    for headers, error in (
        ({"authorization": ""}, "sign in first"),
        ({"authorization": "Bearer "}, "sign in first"),
        ({"authorization": "Bearer nonsense"}, "the Bearer token is not valid"),
    ):
        response = client.post("/api/v1/next", headers=headers)
        assert (response.status_code, response.json()["error"]) == (401, error)
    assert response.json()["remedy"] == "Create a new one: preference-loop account token NAME"
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    store.accounts.disable("Mina")
    assert client.post("/api/v1/next").json()["error"] == "the Bearer token is not valid"


@pytest.mark.parametrize(
    ("verb", "body", "status", "field", "message"),
    [
        ("submit", b"{", 400, None, "not JSON"),
        ("submit", b"[]", 400, None, "not an object"),
        ("submit", b'{"id": "program-1"}', 400, "assignment", "missing"),
        ("submit", b'{"id": 7, "assignment": "a", "verdict": "left"}', 400, "id", "7 is not a string"),
        (
            "submit",
            b'{"id": "program-1", "assignment": "a", "verdict": "left", "color": "red"}',
            400,
            "color",
            "no field",
        ),
        (
            "submit",
            b'{"id": "program-1", "assignment": "a", "verdict": "left", "rationale": "\\ud800"}',
            400,
            "rationale",
            "lone surrogate",
        ),
        ("submit", b"[" * 100_000, 400, None, "not JSON"),
        ("submit", b"\xff\xfe", 400, None, "not JSON"),
        ("submit", b'{"id": "program-1", "assignment": "a", "verdict": "meh"}', 409, None, "'meh' is not a verdict"),
        ("submit", b'{"id": "program-1", "assignment": "a", "verdict": "left"}', 409, None, "not assigned to you"),
        ("skip", b'{"assignment": "a"}', 400, "reason", "missing"),
        ("undo", b"", 409, None, "nothing to undo"),
    ],
)
def test_an_error_names_the_field_and_changes_nothing(client, store, verb, body, status, field, message):
    answer = client.post(f"/api/v1/{verb}", content=body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "file", "line", "field", "remedy"}
    assert answer.json()["field"] == field
    assert message in answer.json()["error"]
    assert store.comparisons.events() == []


def test_a_body_that_is_too_long_or_of_another_kind_is_refused(client, store):
    long = client.post("/api/v1/submit", content=b'{"id": "' + b"x" * 300_000 + b'"}')
    form = client.post("/api/v1/submit", data={"id": "program-1"})
    plain = client.post("/api/v1/submit", content=b"{}", headers={"content-type": "text/plain"})
    assert [answer.status_code for answer in (long, form, plain)] == [413, 415, 415]
    assert all(set(answer.json()) == {"error", "file", "line", "field", "remedy"} for answer in (long, form, plain))


def test_while_another_program_holds_the_store_an_answer_gets_503_and_counts_when_it_is_sent_again(
    client, store, add_pairs, monkeypatch
):
    monkeypatch.setattr("data.sqlite.connection.WAIT_SECONDS", 0.05)
    add_pairs(1)
    item = client.post("/api/v1/next").json()["item"]
    answer = {"id": "program-answer-1", "assignment": item["assignment"], "verdict": "left"}
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        busy = client.post("/api/v1/submit", json=answer)
        assert (busy.status_code, busy.headers["retry-after"], "try again" in busy.json()["remedy"]) == (503, "2", True)
    assert client.post("/api/v1/submit", json=answer).status_code == 200
    assert [event.id for event in store.comparisons.events()] == ["program-answer-1"]


@pytest.mark.parametrize(
    "headers", [{}, {"content-type": "text/json"}, {"content-type": "application/json; charset=utf-8"}]
)
def test_json_is_read_with_and_without_its_content_type(client, add_pairs, headers):
    add_pairs(1)
    item = client.post("/api/v1/next", content=b"{}", headers=headers).json()["item"]
    answer = {"id": "program-1", "assignment": item["assignment"], "verdict": "left", "active_seconds": 5}
    sent = client.post("/api/v1/submit", content=json.dumps(answer), headers=headers)
    assert (sent.status_code, sent.json()["verdict"]) == (200, "left")
