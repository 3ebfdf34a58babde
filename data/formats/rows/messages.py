# SPDX-License-Identifier: Apache-2.0
"""Messages of a row as turns (`data.turns`): lists of {role, content} or {from, value}, with their tool calls."""

from __future__ import annotations

from data.formats.rows import tool_calls
from data.formats.rows.fields import BadRow, Row, check_parts, read_flag, read_nested

SPEAKERS = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    **tool_calls.SPEAKERS,
}
"""Names of the speakers in files, in lower case -> roles of messages."""
MARKS = ("weight", "train", "training", "loss")
"""Keys of a message that say whether it is one to imitate."""


def read_messages(row: Row, key: str, *, learned: bool = False) -> list[dict]:
    """Return the messages of a field as turns (`data.turns`).

    With `learned` the last one may not be marked as one not to imitate. Raises BadRow.
    """
    value = read_nested(row, key)
    if not isinstance(value, list) or not value:
        raise BadRow.of("row.list_of_messages", key)
    last = len(value) - 1
    turns = [
        read_message(row, item, f"{key}[{number}]", learned=learned and number == last, last=number == last)
        for number, item in enumerate(value)
    ]
    turns = tool_calls.join_calls(turns, key)
    if row.what != "prompts":
        tool_calls.refuse_call(turns[-1], f"{key}[{last}]")
    return turns


def read_message(row: Row, item: object, where: str, *, learned: bool = False, last: bool = False) -> dict:
    """Return one message as a turn; a turn with calls only has no text. Raises BadRow.

    With `learned` it may not be marked as one not to imitate. The last answer of a row (`last`) may be empty.
    """
    names = [pair for pair in (("role", "content"), ("from", "value")) if isinstance(item, dict) and pair[0] in item]
    if not isinstance(item, dict) or not names or not {names[0][1], *tool_calls.CALLS} & item.keys():
        raise BadRow.of("row.message", where)
    message, (speaker, words) = row.part(item, where), names[0]
    for key in MARKS if learned else ():
        if read_flag(message, key) is False:
            raise BadRow.of("row.not_imitated", f"{where}.{key}", message=where, mark=key)
    for key in MARKS:
        if key in item:
            message.leave(key)  # it says nothing about a turn that is not imitated
    name, where_text = message[speaker], f"{where}.{words}"
    if isinstance(name, str) and name.casefold() in tool_calls.CALLERS:
        calls = tool_calls.parse_calls(message, message.get(words), where_text)
        return {"role": "assistant", "content": "", "tool_calls": calls}
    role = _role(name, where)
    calls = tool_calls.read_calls(message, where) if role == "assistant" else []
    tools = tool_calls.read_tools(message) if role == "system" else ""
    silent = bool(calls or tools) or role == "tool"
    value, blank = message.get(words), silent or (last and role == "assistant")
    turn = {
        "role": role,
        "content": "" if silent and value is None else check_parts(row, value, where_text, blank=blank),
    }
    if role == "tool":
        return turn | tool_calls.read_reply(message)
    return turn | ({"tools": tools} if tools else {}) | ({"tool_calls": calls} if calls else {})


def _role(name: object, where: str) -> str:
    role = SPEAKERS.get(name.casefold()) if isinstance(name, str) else None
    if role is None:
        raise BadRow.of("row.speaker", where, given=str(name)[:40], known=", ".join(SPEAKERS))
    return role
