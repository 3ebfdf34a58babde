# SPDX-License-Identifier: Apache-2.0
"""Clients of the HTTP API with a token: a labeler and a researcher."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from labeling.accounts.gate import Gate
from labeling.api.routes import api_router


def served(store) -> Gate:
    app = FastAPI(openapi_url=None)
    app.include_router(api_router(store))
    return Gate(app, store)


@pytest.fixture
def client(store):
    mina = store.accounts.add("Mina", "labeler")
    token = store.tokens.issue("api", mina.id, 60)
    with TestClient(served(store), headers={"authorization": f"Bearer {token}"}) as client:
        yield client


@pytest.fixture
def researcher(store):
    token = store.tokens.issue("api", store.accounts.add("Ada", "researcher").id, 60)
    with TestClient(served(store), headers={"authorization": f"Bearer {token}"}) as client:
        yield client
