# SPDX-License-Identifier: Apache-2.0
"""Tools in chat templates: templates take calls and definitions as objects, and many templates write neither.

A template that leaves out a part of a conversation raises nothing. So the rendered text is checked for every part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from data.turns import Turn, split_tools
from reward.base.text.unusable_prompts import UnusablePrompt

TOOL_KEYS = frozenset({"tools", "tool_calls"})
"""Keys of turns that only some templates write."""


def template_messages(turns: Sequence[Turn]) -> tuple[list[dict], list[dict]]:
    """Return the turns as templates take them, with the arguments of calls as objects; and the tools' definitions."""
    messages, tools = split_tools(turns)
    for message in messages:
        if "tool_calls" in message:
            message["tool_calls"] = [
                {**call, "function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
                for call in message["tool_calls"]
            ]
    return messages, tools


def check_tools(text: str, turns: Sequence[Turn]) -> None:
    """Raise UnusablePrompt if the rendered text lacks a tool, a call or a tool's answer."""
    for what, part in _parts(turns):
        if part.strip() not in text and json.dumps(part, ensure_ascii=False)[1:-1] not in text:
            raise UnusablePrompt(
                error=f"the chat template leaves out {what}: {part[:40]!r}",
                remedy="Leave this prompt out, or give the base another template with --chat-template FILE.",
                field="prompt",
                reason=f"the chat template leaves out {what}",
            )


def _parts(turns: Sequence[Turn]) -> Iterator[tuple[str, str]]:
    messages, tools = template_messages(turns)
    for tool in tools:
        yield "the definition of a tool", tool["function"]["name"]
    for message in messages:
        for call in message.get("tool_calls", ()):
            yield "a tool call", call["function"]["name"]
            yield from (("an argument of a tool call", value) for value in _texts(call["function"]["arguments"]))
        if message["role"] == "tool":
            yield "the answer of a tool", message["content"]


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 (any JSON value)
    """Yield every text in the arguments of a call."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
