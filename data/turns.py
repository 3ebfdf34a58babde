# SPDX-License-Identifier: Apache-2.0
"""Turns of a conversation: {role, content}; the role is system, user, assistant or tool.

An assistant's turn may have `tool_calls`, a list of {type, function: {name, arguments}} and perhaps `id`, where the
arguments are JSON text. A tool's turn may have `tool_call_id` and `name`. The first turn, a system message that may be
empty, may have `tools`: the definitions of the tools as JSON text. Every value is text, so tables hold turns as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Turn = Mapping[str, Any]


def turn_text(turn: Turn) -> str:
    """Return what a person reads of a turn: its text, then the tools that it declares and the calls that it makes."""
    parts = [turn["content"]] if turn["content"] or not ("tools" in turn or "tool_calls" in turn) else []
    parts += [f"tools: {turn['tools']}"] if "tools" in turn else []
    calls = (call["function"] for call in turn.get("tool_calls", ()))
    return "\n\n".join([*parts, *(f"call: {call['name']}({call['arguments']})" for call in calls)])


def split_tools(turns: Sequence[Turn]) -> tuple[list[dict], list[dict]]:
    """Return the turns without the definitions of tools, and these; a system message without a text is left out."""
    messages = [dict(turn) for turn in turns]
    tools = json.loads(messages[0].pop("tools", "[]")) if messages else []
    if tools and not messages[0]["content"]:
        messages.pop(0)
    return messages, tools
