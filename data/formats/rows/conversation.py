"""Prompts that are conversations: lists of {role, content}, the way chat templates take them."""

from __future__ import annotations

from data.formats.rows.fields import BadRow, check_text
from data.formats.shapes import PromptShape
from data.tables.prompts import conversation_text

ROLES = ("system", "user", "assistant")


def read_messages(value: object, key: str) -> list[dict]:
    """A list of messages with nothing in them but a known role and its text."""
    if not isinstance(value, list) or not value:
        raise BadRow(f"{key!r} must be a list of messages", key)
    return [_message(item, f"{key}[{number}]") for number, item in enumerate(value)]


def _message(item: object, where: str) -> dict:
    if not isinstance(item, dict) or not {"role", "content"} <= item.keys():
        raise BadRow(f"{where!r} must be an object with 'role' and 'content'", where)
    if item["role"] not in ROLES:
        raise BadRow(f"{where!r} has the role {item['role']!r}; known are {', '.join(ROLES)}", where)
    return {"role": item["role"], "content": check_text(item["content"], f"{where}.content")}


def read_prompt_value(value: object, key: str) -> PromptShape:
    """A prompt given as text or as messages."""
    if isinstance(value, list):
        return make_prompt(read_messages(value, key), key)
    return PromptShape(check_text(value, key))


def make_prompt(messages: list[dict], key: str) -> PromptShape:
    """A conversation that awaits an answer. One user's message alone is the same prompt as its plain text."""
    if not messages or messages[-1]["role"] != "user":
        raise BadRow(f"{key!r} must end with a user's message, so that there is something to answer", key)
    if len(messages) == 1:
        return PromptShape(messages[0]["content"])
    return PromptShape(conversation_text(messages), messages)


def as_messages(prompt: PromptShape) -> list[dict]:
    """The prompt as messages, whichever way it was given."""
    return prompt.messages or [{"role": "user", "content": prompt.text}]


def read_answer(value: object, key: str) -> str:
    """An answer given as text or as a list with one assistant's message."""
    if not isinstance(value, list):
        return check_text(value, key)
    messages = read_messages(value, key)
    if len(messages) != 1 or messages[0]["role"] != "assistant":
        raise BadRow(f"{key!r} must be one assistant's message", key)
    return messages[0]["content"]
