# SPDX-License-Identifier: Apache-2.0
"""The HTTP API: the session's verbs with the same fields, through the gate."""

from __future__ import annotations

import gzip
import json
from contextlib import closing
from dataclasses import fields

import pytest
from fastapi import FastAPI
from sqlite_utils.utils import sqlite3
from starlette.testclient import TestClient

from labeling.accounts.gate import Gate
from labeling.api.routes import api_router
from labeling.http.models import AnswerBody, RankingBody
from labeling.session import Answer, RankingAnswer


def served(store) -> Gate:
    app = FastAPI(openapi_url=None)
    app.include_router(api_router(store))
    return Gate(app, store)


def resolve(schema: dict, document: dict) -> dict:
    """The schema behind a reference."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


@pytest.fixture
def client(store):
    mina = store.accounts.add("Mina", "labeler")
    token = store.tokens.issue("api", mina.id, 60)
    with TestClient(served(store), headers={"authorization": f"Bearer {token}"}) as client:
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
            "half of a character",
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


@pytest.fixture
def researcher(store):
    token = store.tokens.issue("api", store.accounts.add("Ada", "researcher").id, 60)
    with TestClient(served(store), headers={"authorization": f"Bearer {token}"}) as client:
        yield client


def test_a_file_goes_in_once_and_comes_out_again(researcher, store):
    rows = [{"prompt": f"ask {number}", "chosen": "good", "rejected": "bad"} for number in range(3)]
    body = "\n".join(map(json.dumps, rows)).encode()
    first = researcher.post("/api/v1/import?as=preferences&name=mine.jsonl", content=gzip.compress(body))
    assert (first.status_code, first.json()) == (200, {"read": 3, "added": 3, "duplicate": 0, "rejected": 0})
    again = researcher.post("/api/v1/import?as=preferences&format=trl&name=mine.jsonl", content=body).json()
    assert (again["added"], again["duplicate"]) == (0, 3)
    out = researcher.get("/api/v1/export?what=preferences&format=trl")
    assert (out.headers["x-rows"], out.headers["x-omitted"]) == ("3", "{}")
    assert [{name: row[name] for name in rows[0]} for row in map(json.loads, out.text.splitlines())] == rows
    assert [f"{act['actor']}: {act['action']}" for act in store.audit.all()] == [
        "account 1: export",
        *["account 1: import"] * 2,
    ]
    assert list((store.home / "cache").iterdir()) == []


def test_a_file_goes_into_a_project_and_comes_out_of_it_with_names_where_they_are_asked_for(researcher, store):
    store.projects.add("Notes")
    row = {"prompt": "ask", "chosen": "good", "rejected": "bad"}
    assert (
        researcher.post("/api/v1/import?as=preferences&project=Notes&name=mine.jsonl", content=json.dumps(row)).json()[
            "added"
        ]
        == 1
    )

    def labelers(query):
        rows = map(json.loads, researcher.get(f"/api/v1/export?what=events&{query}").text.splitlines())
        return [row["labeler"] for row in rows if row["event"] == "comparison"]

    (comparison,) = store.comparisons.events()
    assert labelers("project=Notes") == [f"labeler-{comparison.labeler_id}"]
    assert labelers("project=Notes&names=true") == [store.accounts.get(comparison.labeler_id).name]
    assert labelers("project=Standard") == []


@pytest.mark.parametrize(
    ("call", "field", "said"),
    [
        ("import?as=pictures", "as", "'pictures' is not a value of 'as'"),
        ("import", "as", "missing"),
        ("import?as=prompts&colour=red", "colour", "no parameter"),
        ("import?as=prompts", None, ""),
        ("import?as=preferences&project=Nowhere", "project", "Nowhere"),
        ("import?as=prompts&project=Standard", "project", "belong to no labeling project"),
        ("export?what=preferences", None, "no comparisons"),
        ("export?what=events&project=Nowhere", "project", "Nowhere"),
        ("export?what=instructions&format=hh", "format", "cannot be written as 'hh'"),
    ],
)
def test_a_file_that_cannot_be_taken_or_made_is_one_line_and_leaves_nothing(researcher, store, call, field, said):
    answer = researcher.request(
        "GET" if call.startswith("export") else "POST", f"/api/v1/{call}", content=b'{"nothing": 1}'
    )
    assert answer.status_code == 400
    assert answer.json()["field"] == field or field is None
    assert said in answer.json()["error"]
    assert answer.json()["remedy"]
    assert str(store.home) not in answer.text
    assert [*(store.home / "cache").glob("*")] == []
    assert store.prompts.count() == 0


def test_files_are_for_researchers(client):
    assert client.post("/api/v1/import?as=prompts", content=b"{}").status_code == 403
    assert client.get("/api/v1/export?what=events").status_code == 403


def test_an_import_beyond_the_limit_is_refused_while_it_arrives(researcher, store, monkeypatch):
    monkeypatch.setattr("labeling.http.bodies.FILE_LIMIT", 1000)
    assert researcher.post("/api/v1/import?as=prompts", content=b"x" * 1001).status_code == 413
    assert [*(store.home / "cache").glob("*")] == []


def test_the_description_has_every_route_of_the_api_with_its_methods_and_no_other(client, store):
    described = client.get("/api/v1/openapi.json").json()
    there = {
        (route.path, method.lower())
        for route in api_router(store).routes
        for method in route.methods - {"HEAD"}
        if route.path.startswith("/api")
    }
    assert {(path, method) for path, methods in described["paths"].items() for method in methods} == there


def test_what_the_api_answers_is_what_the_description_says(client, add_pairs):
    described = client.get("/api/v1/openapi.json").json()
    submit = described["paths"]["/api/v1/submit"]["post"]
    body = resolve(submit["requestBody"]["content"]["application/json"]["schema"], described)
    assert body["required"] == ["id", "assignment", "verdict"]
    assert "both_bad" in body["properties"]["verdict"]["enum"]
    assert all(
        "$ref" in answer["content"]["application/json"]["schema"]
        for code, answer in described["paths"]["/api/v1/submit"]["post"]["responses"].items()
        if code != "200"
    )
    add_pairs(1)
    item = client.post("/api/v1/next").json()["item"]
    undone = described["paths"]["/api/v1/undo"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    shown = resolve(resolve(undone, described)["properties"]["item"], described)
    assert set(item) == set(shown["properties"])
    receipt = client.post(
        "/api/v1/submit", json={"id": "program-1", "assignment": item["assignment"], "verdict": "left"}
    ).json()
    promised = resolve(submit["responses"]["200"]["content"]["application/json"]["schema"], described)["properties"]
    kinds = {"string": str, "boolean": bool, "integer": int}
    assert {name: type(value) for name, value in receipt.items()} == {
        name: kinds[schema["type"]] for name, schema in promised.items()
    }


def test_the_bodies_have_the_fields_of_the_sessions_answers():
    assert [*AnswerBody.model_fields] == [field.name for field in fields(Answer)]
    assert [*RankingBody.model_fields] == [field.name for field in fields(RankingAnswer)]


@pytest.mark.parametrize(
    "headers", [{}, {"content-type": "text/json"}, {"content-type": "application/json; charset=utf-8"}]
)
def test_json_is_read_with_and_without_its_content_type(client, add_pairs, headers):
    add_pairs(1)
    item = client.post("/api/v1/next", content=b"{}", headers=headers).json()["item"]
    answer = {"id": "program-1", "assignment": item["assignment"], "verdict": "left", "active_seconds": 5}
    sent = client.post("/api/v1/submit", content=json.dumps(answer), headers=headers)
    assert (sent.status_code, sent.json()["verdict"]) == (200, "left")


def test_a_parameter_that_is_wrong_is_named(researcher):
    bad = researcher.post("/api/v1/import?as=prompts&skip_bad=perhaps", content=b"").json()
    assert (bad["field"], bad["error"]) == ("skip_bad", "'perhaps' is not true or false")
