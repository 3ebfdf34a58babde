# SPDX-License-Identifier: Apache-2.0
"""Reports of requests: template, status, time and account; and the JSON lines of the log."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from labeling.http.logs import JsonLines, log_request
from labeling.http.observation import UNMATCHED, AnsweredRequest, ObservedRequests, PathTemplates, list_paths


async def answer(request: Request) -> PlainTextResponse:
    """Answer, or fail for the name `crash`."""
    if request.path_params.get("name") == "crash":
        raise ValueError("secret")
    return PlainTextResponse("ok", 201)


@pytest.fixture
def reports() -> list[AnsweredRequest]:
    return []


@pytest.fixture
def client(reports) -> TestClient:
    inner = Starlette(routes=[Route("/files/{name}", answer, methods=["GET", "POST"])])
    app = Starlette(routes=[Route("/plain", answer), Mount("/pages", inner)])
    observed = ObservedRequests(app, PathTemplates(list_paths(app.routes)), [reports.append])
    return TestClient(observed, raise_server_exceptions=False)


def test_a_report_names_the_template_and_never_the_path(client, reports):
    client.get("/plain?token=secret")
    client.post("/pages/files/secret", content="secret")
    client.get("/nowhere/secret")
    client.get("/pages/files/crash")
    client.request("BREW", "/plain")
    assert [(report.method, report.path, report.status) for report in reports] == [
        ("GET", "/plain", 201),
        ("POST", "/pages/files/{name}", 201),
        ("GET", UNMATCHED, 404),
        ("GET", "/pages/files/{name}", 500),
        ("OTHER", "/plain", 405),
    ]
    assert "secret" not in str(reports)
    assert all(0 < report.seconds < 60 for report in reports)


def test_a_line_is_one_object_with_the_fields_of_a_request(caplog):
    with caplog.at_level(logging.INFO, logger="preference_loop.request"):
        log_request(AnsweredRequest("GET", "/plain", 200, 0.0123, 7))
    line = json.loads(JsonLines().format(caplog.records[0]))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "preference_loop.request",
        "message": "request",
        "method": "GET",
        "path": "/plain",
        "status": 200,
        "ms": 12.3,
        "account": 7,
    }


def test_a_traceback_and_line_ends_stay_in_the_object():
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "a %s", ("b\nc",), sys.exc_info())
    text = JsonLines().format(record)
    assert "\n" not in text
    assert json.loads(text)["message"] == "a b\nc"
    assert "ValueError" in json.loads(text)["traceback"]
