# SPDX-License-Identifier: Apache-2.0
"""The gate: which request reaches the app, by role, path and origin. It runs on a real store, without a browser."""

from __future__ import annotations

from contextlib import closing
from threading import Thread

import pytest
from sqlite_utils.utils import sqlite3
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from data.version import __version__
from data.watched_loop import WatchedLoop
from labeling.accounts.gate import Gate
from labeling.accounts.sign_in import COOKIE


def held(store):
    """The store's file with its write lock in another program's hand."""
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_health_is_open_and_says_nothing_else(client):
    assert client.get("/healthz").json() == {"status": "ok", "version": __version__}


def test_health_names_a_loop_that_does_not_work(store):
    loop = WatchedLoop("supervision", lambda: None, lambda _: None)
    client = TestClient(Gate(Starlette(), store, loops=[loop]))
    assert client.get("/healthz").json()["status"] == "ok"
    loop.thread = Thread()
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["status"], answer.json()["loops"]) == (
        503,
        "failing",
        {"supervision": "dead"},
    )


@pytest.mark.parametrize("path", ["/label", "/label/", "/train/runs", "/label/gradio_api/info", "/api/v1/next"])
def test_without_a_session_nothing_is_served(client, people, path):
    assert client.get(path).status_code == 401


def test_each_role_has_its_prefixes(client, enter):
    enter("Mina")
    assert client.get("/label/").json() == {"user": "Mina"}
    assert client.get("/train/").status_code == 403
    enter("Ada")
    assert client.get("/label/").status_code == client.get("/train/").status_code == 200


@pytest.mark.parametrize("path", ["/trainer", "/labels/", "//train/", "/LABEL/", "/gradio_api/info", "/feedback.db"])
def test_a_path_that_nobody_opened_is_closed(client, enter, path):
    enter("Ada")
    assert client.get("http://testserver" + path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/label/gradio_api/upload",
        "/label/gradio_api/file=/etc/passwd",
        "/label/gradio_api/token",
        "/label/login",
        "/label/logout",
        "/label/monitoring/summary",
        "/label/gradio_api/stream/x",
        "/label/gradio_api/queue/join",
        "/label/gradio_api/call/x",
        "/label/gradio_api/run/answer",
        "/label/gradio_api/run/predict",
        "/label/gradio_api",
        "/label/openapi.json",
    ],
)
def test_routes_that_no_page_needs_are_closed(client, enter, path):
    enter("Mina")
    assert client.get(path).status_code == 403


def test_a_call_that_only_one_page_uses_is_open_there_alone(store, people):
    def hello(request):
        return JSONResponse({})

    inner = Starlette(routes=[Route("/{rest:path}", hello)])
    cookie = {COOKIE: store.tokens.issue("session", store.accounts.by_name("Ada").id, 60)}
    with TestClient(Gate(inner, store, used={"/train": ("upload", "file=")}), cookies=cookie) as client:
        message = [
            client.get(path).status_code
            for path in (
                "/train/gradio_api/upload",
                "/train/gradio_api/file=x",
                "/train/gradio_api/uploads",
                "/label/gradio_api/upload",
                "/label/gradio_api/file=x",
            )
        ]
    assert message == [200, 200, 403, 403, 403]


def test_a_session_cookie_opens_no_api_and_an_api_token_no_page(client, enter, store):
    enter("Mina")
    assert client.post("/api/v1/next").status_code == 401
    token = store.tokens.issue("api", store.accounts.by_name("Mina").id, None)
    assert client.post("/api/v1/next", headers={"authorization": f"Bearer {token}"}).json() == {"user": "Mina"}
    client.cookies.clear()
    client.cookies.set(COOKIE, token)
    assert client.get("/label/").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://testserver:81"},
    ],
)
def test_another_site_cannot_post(client, enter, headers):
    enter("Mina")
    for path in ("/label/do/answer", "/login", "/logout"):
        assert client.post(path, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": "http://testserver"}, {}]
)
def test_ones_own_page_can_post(client, enter, headers):
    enter("Mina")
    assert client.post("/label/do/answer", headers=headers).status_code == 200


def test_every_answer_carries_the_safety_headers_and_no_permission_for_others(client, enter):
    enter("Mina")
    for answer in (client.get("/label/"), client.get("/login"), client.get("/nothing")):
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_while_another_program_holds_the_store_the_doors_say_when_to_try_again(client, enter, store, monkeypatch):
    monkeypatch.setattr("data.sqlite.connection.WAIT_SECONDS", 0.05)
    enter("Mina")
    with closing(held(store)):
        for headers in ({"accept": "text/html"}, {}):
            answer = client.post("/logout", headers=headers)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            assert "try again" in answer.text
        assert client.get("/label/").status_code == 200
    assert client.post("/logout").status_code == 303


@pytest.mark.parametrize("cookie", ["nonsense", "\u00e9", "a" * 5000, "", "%ff%fe"])
def test_a_forged_cookie_is_nobody(client, people, cookie):
    raw = f"{COOKIE}={cookie}".encode()
    assert client.get("/label/", headers=[(b"cookie", raw)]).status_code == 401
