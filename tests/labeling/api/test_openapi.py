# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document: every route, and the shapes that the API returns."""

from __future__ import annotations

from dataclasses import fields

from labeling.api.routes import api_router
from labeling.http.models import AnswerBody, RankingBody
from labeling.session import Answer, RankingAnswer


def resolve(schema: dict, document: dict) -> dict:
    """The schema behind a reference."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


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
