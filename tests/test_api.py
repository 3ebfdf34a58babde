"""The HTTP API: the session's verbs with the same fields, through the gate."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from labeling import api
from labeling.gate import Gate


@pytest.fixture
def client(store):
    mina = store.accounts.add("Mina", "labeler")
    token = store.tokens.issue("api", mina.id, 60)
    with TestClient(Gate(Starlette(routes=api.routes(store)), store), headers={"authorization": f"Bearer {token}"}) as client:
        yield client


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


def test_without_a_good_token_nothing_is_said(client, store):
    for headers in ({"authorization": ""}, {"authorization": "Bearer nonsense"}):
        assert client.post("/api/v1/next", headers=headers).status_code == 401
    store.accounts.disable("Mina")
    assert client.post("/api/v1/next").status_code == 401


@pytest.mark.parametrize(
    ("verb", "body", "status", "field", "message"),
    [
        ("submit", b"{", 400, None, "not JSON"),
        ("submit", b"[]", 400, None, "not an object"),
        ("submit", b'{"id": "program-1"}', 400, "assignment", "missing"),
        ("submit", b'{"id": 7, "assignment": "a", "verdict": "left"}', 400, "id", "7 is not a text"),
        ("submit", b'{"id": "program-1", "assignment": "a", "verdict": "left", "color": "red"}', 400, "color", "no field"),
        ("submit", b'{"id": "program-1", "assignment": "a", "verdict": "meh"}', 409, None, "'meh' is no verdict"),
        ("submit", b'{"id": "program-1", "assignment": "a", "verdict": "left"}', 409, None, "not handed to you"),
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


def test_the_description_names_every_route_and_verdict(client):
    described = client.get("/api/v1/openapi.json").json()
    assert set(described["paths"]) == {f"/api/v1/{verb}" for verb in ("next", "submit", "skip", "undo")}
    body = described["paths"]["/api/v1/submit"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["id", "assignment", "verdict"]
    assert "both_bad" in body["properties"]["verdict"]["enum"]
