# SPDX-License-Identifier: Apache-2.0
"""No signed-in person can fill the server's memory: the gate counts the bytes of every body."""

from __future__ import annotations

import asyncio
import json

import pytest

from labeling.accounts.sign_in import COOKIE
from labeling.http.bodies import BODY_LIMIT, BODY_LIMITS, FILE_LIMIT, limit_of
from rlhf.pages.site import compose_site
from tests.support.data.stores import new_store

PART = 64 * 1024
PREDICT = "/label/gradio_api/run/predict"


class Post:
    """A POST whose body never ends; `parts` counts the parts of 64 KB that the server asked for."""

    def __init__(self, site, path, token, headers=()):
        self.parts, self.sent = 0, []
        cookie = f"{COOKIE}={token}".encode()
        fixed = [(b"host", b"127.0.0.1"), (b"cookie", cookie), (b"authorization", b"Bearer " + token.encode())]
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"as=preferences",
            "root_path": "",
            "headers": [*fixed, (b"content-type", b"application/json"), *headers],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        asyncio.run(site(scope, self.receive, self.send))
        start = next(message for message in self.sent if message["type"] == "http.response.start")
        self.status, self.headers = start["status"], dict(start["headers"])
        self.body = b"".join(message.get("body", b"") for message in self.sent)

    async def receive(self):
        self.parts += 1
        assert self.parts * PART <= 2 * FILE_LIMIT, "the body is read without a limit"
        return {"type": "http.request", "body": b"a" * PART, "more_body": True}

    async def send(self, message):
        self.sent.append(message)


@pytest.fixture(scope="module")
def post(tmp_path_factory):
    store = new_store(tmp_path_factory.mktemp("home"))
    site = compose_site(store)
    people = {role: store.accounts.add(role, role) for role in ("labeler", "researcher")}

    def send(path, who, kind="session", **more):
        return Post(site, path, store.tokens.issue(kind, people[who].id, 600), **more)

    yield send
    store.close()


def test_a_labelers_huge_body_to_a_call_of_the_framework_is_refused_unread(post):
    announced = post(PREDICT, "labeler", headers=[(b"content-length", b"400000000")])
    assert (announced.status, announced.parts, announced.headers[b"connection"]) == (413, 0, b"close")
    assert json.loads(announced.body)["error"] == f"the body is longer than {BODY_LIMIT:,} bytes"
    unannounced = post(PREDICT, "labeler")
    assert (unannounced.status, unannounced.parts) == (403, 0)


@pytest.mark.parametrize("length", [b"9" * 5000, b"262145"])
def test_an_announced_length_over_the_limit_is_refused_whatever_it_is(post, length):
    assert post("/label/do/answer", "labeler", headers=[(b"content-length", length)]).parts == 0


@pytest.mark.parametrize("path", ["/train/gradio_api/run/predict", "/label/do/answer", "/label/do/look"])
def test_an_endless_body_is_cut_off_at_the_limit_of_its_route(post, path):
    answer = post(path, "researcher")
    assert (answer.status, answer.parts) == (413, limit_of(path) // PART + 1)


def test_an_endless_api_call_is_cut_off_too(post):
    answer = post("/api/v1/submit", "labeler", kind="api")
    assert (answer.status, answer.parts) == (413, BODY_LIMIT // PART + 1)


def test_only_routes_in_the_table_may_carry_more(post):
    assert limit_of("/api/v1/import") == limit_of("/api/v1/import/") == FILE_LIMIT
    assert limit_of("/label/gradio_api/run/predict") == limit_of("/login") == BODY_LIMIT
    assert all(limit > BODY_LIMIT for limit in BODY_LIMITS.values())
