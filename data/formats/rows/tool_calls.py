# SPDX-License-Identifier: Apache-2.0
"""Tools in rows: their definitions, the calls of an assistant, and the turns in which tools answer (`data.turns`).

OpenAI's files hold calls as `tool_calls` (`function_call` in older ones), and ShareGPT's as a turn of a speaker
`function_call`. A call that is written as text inside an answer stays text.
"""

from __future__ import annotations

import json
from typing import Any

from data.formats.nested import parse_nested
from data.formats.rows.fields import BadRow, Row, check_text, read_nested, read_optional_text
from data.formats.tracked_row import is_blank
from data.json_text import describe_json_error

CALLERS = ("function_call", "tool_call")
"""Speakers whose turns are calls."""
CALLS = ("tool_calls", "function_call")
"""Keys of a message that hold calls."""
SPEAKERS = dict.fromkeys(("tool", "function", "observation", "ipython", "tool_response", "function_response"), "tool")
DEFINITIONS = ("tools", "functions")
"""Columns that define the tools of a conversation."""


def read_calls(message: Row, where: str) -> list[dict]:
    """Return the calls of an assistant's message, under `tool_calls` or the older `function_call`. Raises BadRow."""
    calls: list[dict] = []
    for key in CALLS:
        if key in message and not is_blank(message[key]):
            calls += parse_calls(message, read_nested(message, key), f"{where}.{key}")
    return calls


def parse_calls(message: Row, value: object, where: str) -> list[dict]:
    """Return one call or a list of calls as `data.turns` holds them. Raises BadRow for anything else."""
    if isinstance(value, str):
        value = _parse(value, where)
    items = value if isinstance(value, list) else [value]
    return [_call(message, item, where if items is not value else f"{where}[{n}]") for n, item in enumerate(items)]


def _call(message: Row, item: object, where: str) -> dict:
    if not isinstance(item, dict):
        raise BadRow.of("row.call", where)
    call = message.part(item, where.rpartition(".")[2])
    function: Row = call.part(item["function"], "function") if isinstance(item.get("function"), dict) else call
    if function is not call:
        call.get("function")
    if (kind := call.get("type")) not in (None, "", "function"):
        raise BadRow.of("row.call_type", f"{where}.type", call=where, given=str(kind)[:40])
    name = check_text(function.get("name"), f"{where}.name")
    arguments = function.get("arguments" if "arguments" in function else "parameters")
    if isinstance(arguments, str):
        arguments = _parse(arguments, where) if arguments.strip() else {}
    text = check_text(_dump({} if arguments is None else arguments), f"{where}.arguments")
    id = read_optional_text(call, "id")
    return ({"id": id} if id else {}) | {"type": "function", "function": {"name": name, "arguments": text}}


def read_reply(message: Row) -> dict[str, str]:
    """Return what a tool's turn says about itself: the call that it answers, and the tool's name. Raises BadRow."""
    about = {key: read_optional_text(message, key) for key in ("tool_call_id", "name") if key in message}
    return {key: text for key, text in about.items() if text}


def read_tools(row: Row) -> str:
    """Return the definitions of a row's tools as JSON text; empty without any. Raises BadRow."""
    named = [key for key in DEFINITIONS if key in row and not is_blank(row[key])]
    if len(named) > 1:
        raise BadRow.of("row.two_tools", "functions")
    if not named:
        return ""
    value = read_nested(row, named[0])
    if not isinstance(value, list):
        raise BadRow.of("row.list_of_tools", named[0])
    tools = [_definition(item, f"{named[0]}[{number}]") for number, item in enumerate(value)]
    return check_text(_dump(tools), named[0]) if tools else ""


def _definition(item: object, where: str) -> dict:
    """Return the definition of a tool; a bare function gets the object around it that templates expect."""
    tool = parse_nested(item) if isinstance(item, str) else item
    if isinstance(tool, dict) and not isinstance(tool.get("function"), dict) and tool.get("type") in (None, "function"):
        tool = {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(tool, dict) or not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise BadRow.of("row.function", where)
    return tool


def add_tools(turns: list[dict], tools: str) -> list[dict]:
    """Return the turns with definitions of tools in their system message, an empty one if need be. Raises BadRow."""
    if not tools:
        return turns
    if turns[0]["role"] != "system":
        return [{"role": "system", "content": "", "tools": tools}, *turns]
    if turns[0].get("tools", tools) != tools:
        raise BadRow.of("row.tools_differ", "tools")
    return [turns[0] | {"tools": tools}, *turns[1:]]


def join_calls(turns: list[dict], key: str) -> list[dict]:
    """Return the turns with each call in the turn of the assistant's text before it.

    Raises BadRow for a tool's turn that follows no turn of the assistant.
    """
    joined: list[dict] = []
    for number, turn in enumerate(turns):
        before = joined[-1]["role"] if joined else ""
        if turn["role"] == "tool" and before not in ("assistant", "tool"):
            raise BadRow.of("row.tool_alone", f"{key}[{number}]")
        if before == "assistant" and "tool_calls" in turn and not turn["content"]:
            joined[-1] = joined[-1] | {"tool_calls": [*joined[-1].get("tool_calls", []), *turn["tool_calls"]]}
        else:
            joined.append(turn)
    return joined


def refuse_call(turn: dict, where: str) -> None:
    """Raise BadRow for an answer that calls a tool."""
    if "tool_calls" in turn:
        raise BadRow.of("row.answer_calls", where)


def _parse(text: str, where: str) -> Any:  # noqa: ANN401 (any JSON value)
    try:
        value = parse_nested(text)
    except ValueError as error:
        raise BadRow.of("row.unusable", where, error=describe_json_error(error)) from None
    if value is None:
        raise BadRow.of("row.call_json", where, given=text[:40])
    return value


def _dump(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        raise BadRow.of("row.tool_value") from None
