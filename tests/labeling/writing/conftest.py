# SPDX-License-Identifier: Apache-2.0
"""Two labelers, a prompt of the train split, and a client for each labeler."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from labeling.accounts.gate import Gate
from labeling.accounts.sign_in import COOKIE
from labeling.writing import page


@pytest.fixture
def people(store):
    return [store.accounts.add(name, "labeler") for name in ("ana", "ben")]


@pytest.fixture
def prompt(store):
    """A prompt of the train split."""
    added = [store.prompts.add(f"Thank Mina for gift {n}.", source="test") for n in range(12)]
    return next(each for each in added if each.split == "train")


@pytest.fixture
def clients(store, people):
    def client(account):
        made = TestClient(Gate(Starlette(routes=page.routes(store)), store), base_url="http://testserver")
        made.cookies.set(COOKIE, store.tokens.issue("session", account.id, 600))
        return made

    return [client(account) for account in people]
