# SPDX-License-Identifier: Apache-2.0
"""Fixtures of accounts: two people, and a client behind the gate."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from labeling.accounts.gate import Gate
from labeling.accounts.sign_in import COOKIE
from labeling.http.requests import get_account
from tests.support.labeling.accounts import HASH


@pytest.fixture
def people(store):
    store.accounts.add("Mina", "labeler", password_hash=HASH)
    store.accounts.add("Ada", "researcher", password_hash=HASH)


@pytest.fixture
def enter(client, people, store):
    """enter(name): carry a session of that account, without the slow password."""

    def enter(name):
        client.cookies.clear()
        client.cookies.set(COOKIE, store.tokens.issue("session", store.accounts.by_name(name).id, 60))

    return enter


@pytest.fixture
def client(store):
    def hello(request):
        return JSONResponse(
            {"user": get_account(request).name}, headers={"access-control-allow-origin": "https://evil.example"}
        )

    inner = Starlette(routes=[Route("/{rest:path}", hello, methods=["GET", "POST"])])
    with TestClient(Gate(inner, store), follow_redirects=False) as client:
        yield client
