# SPDX-License-Identifier: Apache-2.0
"""Tools in chat templates: templates take calls and definitions as objects, and many templates write neither.

A template that leaves out a part of a conversation raises nothing. So the rendered text is checked for every part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data.turns import Turn, split_tools
from reward.base.text.unusable_prompts import unusable_prompt

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


def check_tools(render: Callable[[Sequence[Turn]], str], turns: Sequence[Turn]) -> None:
    """Raise UnusablePrompt if `render`, a chat template, leaves out a tool, a call or a tool's answer.

    A part may also stand elsewhere in the conversation. So a copy is rendered in which every part is a mark of its own.
    """
    marks = _Marks()
    text = render(marks.mark(turns))
    for mark, (what, part) in marks.parts.items():
        if mark not in text:
            reason = f"the chat template leaves out {what}"
            raise unusable_prompt("template_drops", reason, what=what, part=part[:40])


class _Marks:
    """Marks in place of the parts of a conversation; `parts` has for each mark what it stands for, and its text."""

    def __init__(self) -> None:
        self.parts: dict[str, tuple[str, str]] = {}

    def mark(self, turns: Sequence[Turn]) -> list[Turn]:
        """Return a copy of the turns whose tools, calls and answers of tools are marks."""
        return [self._turn(turn) for turn in turns]

    def _turn(self, turn: Turn) -> Turn:
        marked = dict(turn)
        if "tools" in turn:
            tools = json.loads(turn["tools"])
            for tool in tools:
                tool["function"]["name"] = self._new("the definition of a tool", tool["function"]["name"])
            marked["tools"] = json.dumps(tools)
        if "tool_calls" in turn:
            marked["tool_calls"] = [{**call, "function": self._call(call["function"])} for call in turn["tool_calls"]]
        if turn["role"] == "tool" and turn["content"]:
            mark = self._new("the answer of a tool", turn["content"])
            marked["content"] = json.dumps(mark) if _is_json(turn["content"]) else mark  # a template may parse it
        return marked

    def _call(self, function: Mapping[str, str]) -> dict[str, str]:
        name = self._new("a tool call", function["name"])
        return {"name": name, "arguments": json.dumps(self._value(json.loads(function["arguments"])))}

    def _value(self, value: Any) -> Any:  # noqa: ANN401 (any JSON value)
        """Return a value of a call's arguments in which every text is a mark."""
        if isinstance(value, dict):
            return {key: self._value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value(item) for item in value]
        return self._new("an argument of a tool call", value) if isinstance(value, str) and value else value

    def _new(self, what: str, part: str) -> str:
        mark = f"part{len(self.parts)}end"
        self.parts[mark] = (what, part)
        return mark


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
