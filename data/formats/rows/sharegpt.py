# SPDX-License-Identifier: Apache-2.0
"""ShareGPT chats: `conversations`, a list of {from, value}.

With `chosen` and `rejected`, as LLaMA-Factory writes them, a row holds a preference.
"""

from __future__ import annotations

from data.formats.rows.conversation import ROLES, make_prompt, read_messages
from data.formats.rows.fields import BadRow, read_field, read_optional_text
from data.formats.rows.preference_metadata import read_metadata
from data.formats.shapes import InstructionShape, PreferenceShape, PromptShape

SPEAKERS = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant"} | {
    role: role for role in ROLES
}
"""Names of the speakers in these files -> roles of messages."""


def matches(row: dict) -> bool:
    """Return whether a row is in this format."""
    return "conversations" in row


def read_prompt(row: dict) -> PromptShape:
    """Return all turns up to the last human's; an answer at the end is not read."""
    messages = _turns(row)
    return make_prompt(messages[:-1] if messages[-1]["role"] == "assistant" else messages, "conversations")


def read_instruction(row: dict) -> InstructionShape:
    """Return the last answer as the output, and all turns before it as the prompt."""
    *before, last = _turns(row)
    if last["role"] != "assistant":
        raise BadRow("'conversations' must end with the assistant's (gpt) turn", "conversations")
    prompt = make_prompt(before, "conversations")
    return InstructionShape(prompt.text, "", last["content"], prompt.messages, read_optional_text(row, "family"))


def read_preference(row: dict) -> PreferenceShape:
    """Return a conversation that ends with a question, and two answers to it of one turn each."""
    chosen, rejected = (_answer(read_field(row, key), key) for key in ("chosen", "rejected"))
    return PreferenceShape(make_prompt(_turns(row), "conversations"), chosen, rejected, **read_metadata(row))


def _turns(row: dict) -> list[dict]:
    value = read_field(row, "conversations")
    turns = (
        [_turn(item, f"conversations[{number}]") for number, item in enumerate(value)]
        if isinstance(value, list)
        else value
    )
    system = read_optional_text(row, "system") if row.get("system") != "" else None
    return read_messages(
        [{"role": "system", "content": system}, *turns] if system and isinstance(turns, list) else turns,
        "conversations",
    )


def _answer(value: object, key: str) -> str:
    (answer,) = read_messages([_turn(value[0] if isinstance(value, list) and len(value) == 1 else value, key)], key)
    if answer["role"] != "assistant":
        raise BadRow(f"{key!r} must be the assistant's (gpt) turn", key)
    return answer["content"]


def _turn(item: object, where: str) -> object:
    """Return a turn as a message; a message stays as it is."""
    if not isinstance(item, dict) or {"role", "content"} <= item.keys():
        return item
    if not {"from", "value"} <= item.keys():
        raise BadRow(f"{where!r} must be an object with 'from' and 'value'", where)
    speaker = SPEAKERS.get(item["from"]) if isinstance(item["from"], str) else None
    if speaker is None:
        raise BadRow(f"{where!r} is from {str(item['from'])[:40]!r}; known are {', '.join(SPEAKERS)}", where)
    return {"role": speaker, "content": item["value"]}
