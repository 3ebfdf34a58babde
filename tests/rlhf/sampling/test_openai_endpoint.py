# SPDX-License-Identifier: Apache-2.0
"""The client of OpenAI-compatible endpoints against a real HTTP server: requests, replies, refusals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from data.errors import BadInput
from data.records import Prompt
from rlhf.sampling.openai_endpoint import ATTEMPTS, KEY, OpenAIEndpoint
from tests.support.endpoint_server import EndpointServer, reply_to_all, reply_to_one, running_endpoint

SECRET = "sk-very-secret"


LIMITS = {"temperature": 0.7, "max_tokens": 9, "seed": 1}


PROMPT = Prompt(1, "Name a cat.", None, "train", "test", None, None)


@pytest.fixture
def server() -> Iterator[EndpointServer]:
    with running_endpoint() as endpoint:
        yield endpoint


def test_a_chat_endpoint_gets_messages_and_a_completion_endpoint_a_text(server: EndpointServer) -> None:
    OpenAIEndpoint.of(server.url, "big").answer(PROMPT, [0, 1], **LIMITS)
    OpenAIEndpoint.of(server.url + "/completions", "big").answer(PROMPT, [0], **LIMITS)
    assert server.paths == ["/v1/chat/completions", "/v1/completions"]
    first, second = server.requests
    assert first["messages"] == [{"role": "user", "content": "Name a cat."}]
    assert second["prompt"] == "Name a cat."
    assert {name: first[name] for name in ("model", "n", "temperature", "max_tokens")} == {
        "model": "big",
        "n": 2,
        "temperature": 0.7,
        "max_tokens": 9,
    }


def test_all_turns_of_a_conversation_are_sent(server: EndpointServer) -> None:
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi."}]
    OpenAIEndpoint.of(server.url, "big").answer(Prompt(1, "Hi.", turns, "train", "test", None, None), [0], **LIMITS)
    assert server.requests[0]["messages"] == turns


def test_an_answer_that_was_cut_has_not_ended(server: EndpointServer) -> None:
    assert [reply.ended for reply in OpenAIEndpoint.of(server.url, "big").answer(PROMPT, [0, 1], **LIMITS)] == [
        True,
        False,
    ]


def test_seeds_differ_by_seed_prompt_and_number_and_repeat(server: EndpointServer) -> None:
    endpoint, other = OpenAIEndpoint.of(server.url, "big"), Prompt(2, "Hi.", None, "train", "test", None, None)
    for prompt, number, seed in ((PROMPT, 0, 1), (PROMPT, 1, 1), (other, 0, 1), (PROMPT, 0, 2), (PROMPT, 0, 1)):
        endpoint.answer(prompt, [number], **LIMITS | {"seed": seed})
    seeds = [body["seed"] for body in server.requests]
    assert len(set(seeds)) == 4
    assert seeds[0] == seeds[4]


def test_an_endpoint_with_one_answer_per_request_gets_further_requests_with_other_seeds(server: EndpointServer) -> None:
    server.reply = reply_to_one
    replies = OpenAIEndpoint.of(server.url, "big").answer(PROMPT, [0, 1, 2], **LIMITS)
    assert [body["n"] for body in server.requests] == [3, 2, 1]
    assert len({reply.text for reply in replies}) == 3


def test_the_key_of_the_environment_is_sent_if_there_is_one(
    server: EndpointServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("", SECRET):
        monkeypatch.setenv(KEY, key)
        OpenAIEndpoint.of(server.url, "big").answer(PROMPT, [0], **LIMITS)
    assert [headers.get("Authorization") for headers in server.headers] == [None, f"Bearer {SECRET}"]


def test_a_busy_endpoint_gets_the_request_again(server: EndpointServer) -> None:
    statuses = iter([429, 503])
    server.reply = lambda body: reply_to_all(body) if (status := next(statuses, 200)) == 200 else (status, {})
    assert len(OpenAIEndpoint.of(server.url, "big", pause=0.0).answer(PROMPT, [0], **LIMITS)) == 1
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "document", "said"),
    [
        (401, {"error": {"message": f"no such key {SECRET}"}}, "answered 401: no such key ***"),
        (401, {"error": "x" * 198 + SECRET}, f"answered 401: {'x' * 198}**"),
        (404, b"nothing here", "404: nothing here"),
        (200, b"<html>", "did not answer with JSON"),
        (200, {"hello": 1}, 'answered with an unknown document: {"hello": 1}'),
        (200, [1], "answered with an unknown document"),
        (200, {"choices": [{"message": {"content": 5}}]}, "unknown document"),
        (200, {"choices": []}, "gave no answer"),
    ],
)
def test_a_bad_reply_is_one_line_without_the_key_and_not_requested_again(
    server: EndpointServer, monkeypatch: pytest.MonkeyPatch, status: int, document: object, said: str
) -> None:
    monkeypatch.setenv(KEY, SECRET)
    server.reply = lambda body: (status, document)
    with pytest.raises(BadInput) as caught:
        OpenAIEndpoint.of(server.url, "big").answer(PROMPT, [0], **LIMITS)
    line = str(caught.value)
    assert said in line
    assert server.url in line
    assert SECRET not in line
    assert "\n" not in line
    assert len(server.requests) == 1


def test_a_busy_endpoint_fails_after_some_attempts(server: EndpointServer) -> None:
    server.reply = lambda body: (503, {"error": "loading"})
    with pytest.raises(BadInput, match="answered 503: loading"):
        OpenAIEndpoint.of(server.url, "big", pause=0.0).answer(PROMPT, [0], **LIMITS)
    assert len(server.requests) == ATTEMPTS


def test_an_unreachable_endpoint_is_bad_input(server: EndpointServer) -> None:
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(BadInput, match="could not be reached: .*refused"):
        OpenAIEndpoint.of(server.url, "big", pause=0.0).answer(PROMPT, [0], **LIMITS)


def test_a_redirect_is_not_followed_with_the_key(server: EndpointServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)
    server.moved, server.reply = server.url + "/elsewhere", lambda body: (302, {})
    with pytest.raises(BadInput, match="answered 302"):
        OpenAIEndpoint.of(server.url, "big").answer(PROMPT, [0], **LIMITS)
    assert len(server.requests) == 1
