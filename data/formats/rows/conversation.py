# SPDX-License-Identifier: Apache-2.0
"""Prompts that are conversations: lists of {role, content}, as chat templates take them."""

from __future__ import annotations

from data.formats.rows.fields import BadRow, check_text
from data.formats.shapes import PromptShape
from data.tables.prompts import conversation_text

ROLES = ("system", "user", "assistant")


def read_messages(value: object, key: str) -> list[dict]:
    """Return a list of messages that hold only a known role and its text. Raises BadRow."""
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
    """Return a prompt given as text or as messages. Raises BadRow."""
    if isinstance(value, list):
        return make_prompt(read_messages(value, key), key)
    return PromptShape(check_text(value, key))


def make_prompt(messages: list[dict], key: str) -> PromptShape:
    """Return a conversation that ends with a user's message as a prompt.

    A single user's message is the same prompt as its plain text. Raises BadRow for any other end.
    """
    if not messages or messages[-1]["role"] != "user":
        raise BadRow(f"{key!r} must end with a user's message", key)
    if len(messages) == 1:
        return PromptShape(messages[0]["content"])
    return PromptShape(conversation_text(messages), messages)


def as_messages(prompt: PromptShape) -> list[dict]:
    """Return the prompt as messages, also if it was given as text."""
    return prompt.messages or [{"role": "user", "content": prompt.text}]


def read_answer(value: object, key: str) -> str:
    """Return an answer given as text or as a list with one assistant's message. Raises BadRow."""
    if not isinstance(value, list):
        return check_text(value, key)
    messages = read_messages(value, key)
    if len(messages) != 1 or messages[0]["role"] != "assistant":
        raise BadRow(f"{key!r} must be one assistant's message", key)
    return messages[0]["content"]
