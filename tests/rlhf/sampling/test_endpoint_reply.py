# SPDX-License-Identifier: Apache-2.0
"""Answers of vLLM and other servers, sent by a real HTTP server: texts, thoughts, parts, and reasons to stop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from data.records import Prompt
from data.thoughts import split_thoughts
from rlhf.sampling.endpoint_reply import CALLED, EMPTY, FILTERED, THINKING, Reply
from rlhf.sampling.openai_endpoint import OpenAIEndpoint
from tests.support.endpoint_server import EndpointServer, running_endpoint

PROMPT = Prompt(1, "Name a cat.", None, "train", "test", None, None)
CALL = {"id": "1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}


@pytest.fixture(scope="module")
def server() -> Iterator[EndpointServer]:
    with running_endpoint() as endpoint:
        yield endpoint


def ask(server: EndpointServer, message: dict, finish: str | None = "stop") -> Reply:
    """Return the client's reply to one message of the server."""
    server.reply = lambda body: (200, {"choices": [{"index": 0, "message": message, "finish_reason": finish}]})
    endpoint = OpenAIEndpoint.of(server.url, "big")
    return endpoint.answer(PROMPT, [0], temperature=1.0, max_tokens=9, seed=0)[0]


@pytest.mark.parametrize("text", ["  indented\n\tcode\n\n", "\r\nTom\r\n", "\u00a0Tom\u3000", "Tom \u200f"])
def test_white_space_is_kept_byte_for_byte(server, text):
    assert ask(server, {"content": text}) == Reply(text, True, "stop", "")


def test_white_space_of_a_continued_text_is_kept(server):
    server.reply = lambda body: (200, {"choices": [{"text": " Tom.\n", "finish_reason": "stop"}]})
    endpoint = OpenAIEndpoint.of(server.url + "/completions", "big")
    assert endpoint.answer(PROMPT, [0], temperature=1.0, max_tokens=9, seed=0)[0].text == " Tom.\n"


@pytest.mark.parametrize(
    ("finish", "ended"),
    [("stop", True), ("eos_token", True), ("length", False), ("content_filter", False), ("tool_calls", False)]
    + [("function_call", False), ("abort", False), (None, False)],
)
def test_only_a_reason_that_names_the_end_makes_an_answer_ended(server, finish, ended):
    assert ask(server, {"content": "Tom."}, finish) == Reply("Tom.", ended, finish or "", "")


def test_an_answer_beside_tool_calls_has_not_ended(server):
    reply = ask(server, {"content": "Let me look.", "tool_calls": [CALL]}, "stop")
    assert (reply.text, reply.ended, reply.missing) == ("Let me look.", False, "")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": " Tom"}, {"type": "text", "text": " and Kit\n"}], " Tom and Kit\n"),
        ([{"type": "refusal", "refusal": "I cannot."}], "I cannot."),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "A cat?"}]}, {"type": "text", "text": "Tom"}],
            "<think>\nA cat?\n</think>\n\nTom",
        ),
    ],
)
def test_parts_become_one_text(server, content, text):
    assert ask(server, {"content": content}) == Reply(text, True, "stop", "")


def test_a_refusal_beside_the_content_is_the_answer(server):
    assert ask(server, {"content": None, "refusal": "I cannot."}).text == "I cannot."


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thoughts_go_before_the_answer_where_the_pages_fold_them(server, name):
    reply = ask(server, {"content": "Tom.", name: "A cat?"})
    assert split_thoughts(reply.text) == ("A cat?", "Tom.")
    assert (reply.ended, reply.missing) == (True, "")


@pytest.mark.parametrize(
    ("message", "finish", "missing"),
    [
        ({"content": None}, "stop", EMPTY),
        ({"content": " \n"}, "stop", EMPTY),
        ({"role": "assistant"}, "stop", EMPTY),
        ({"content": "", "reasoning_content": "A cat?"}, "stop", EMPTY),
        ({"content": ""}, "content_filter", FILTERED),
        ({"content": None, "tool_calls": [CALL]}, "tool_calls", CALLED),
        ({"content": None, "reasoning_content": "A cat"}, "length", THINKING),
        ({"content": "<think>\nA cat"}, "length", THINKING),
        ({"content": "<think>\nA cat?\n</think>\n\n"}, "length", THINKING),
        ({"content": "<think>\nA cat?\n</think>\n\n"}, "stop", EMPTY),
    ],
)
def test_what_is_no_answer_has_a_reason(server, message, finish, missing):
    assert ask(server, message, finish).missing == missing
