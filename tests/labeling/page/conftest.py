# SPDX-License-Identifier: Apache-2.0
"""The page as one signed-in labeler uses it, without a browser."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from labeling.accounts.gate import Gate
from labeling.accounts.sign_in import COOKIE
from labeling.page import actions
from labeling.queue.group_commit import GroupCommit


@pytest.fixture
def ask(store):
    """Return ask(verb, body), which returns the reply to Mina; `cookies` and `headers` go with the request."""
    mina = store.accounts.add("Mina", "labeler")
    token = store.tokens.issue("session", mina.id, 600)
    group_commit = GroupCommit(store)
    with TestClient(
        Gate(Starlette(routes=actions.routes(store, group_commit)), store), cookies={COOKIE: token}
    ) as client:

        def send(verb, body=None, **more):
            answer = client.post(f"/label/do/{verb}", json=body or {}, **more)
            assert answer.status_code == 200, answer.text
            return answer.json()

        send.client, send.group_commit = client, group_commit
        yield send
