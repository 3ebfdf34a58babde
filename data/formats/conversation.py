"""Prompts that are conversations: lists of {role, content}, the way chat templates take them."""

from __future__ import annotations

from data.formats.fields import BadRow, checked_text
from data.formats.shapes import PromptShape
from data.tables.prompts import conversation_text

ROLES = ("system", "user", "assistant")


def messages_of(value: object, key: str) -> list[dict]:
    """A list of messages with nothing in them but a known role and its text."""
    if not isinstance(value, list) or not value:
        raise BadRow(f"{key!r} must be a list of messages", key)
    return [_message(item, f"{key}[{number}]") for number, item in enumerate(value)]


def _message(item: object, where: str) -> dict:
    if not isinstance(item, dict) or not {"role", "content"} <= item.keys():
        raise BadRow(f"{where!r} must be an object with 'role' and 'content'", where)
    if item["role"] not in ROLES:
        raise BadRow(f"{where!r} has the role {item['role']!r}; known are {', '.join(ROLES)}", where)
    return {"role": item["role"], "content": checked_text(item["content"], f"{where}.content")}


def prompt_of(value: object, key: str) -> PromptShape:
    """A prompt given as text or as messages."""
    if isinstance(value, list):
        return prompt_of_messages(messages_of(value, key), key)
    return PromptShape(checked_text(value, key))


def prompt_of_messages(messages: list[dict], key: str) -> PromptShape:
    """A conversation that awaits an answer. One user's message alone is the same prompt as its plain text."""
    if not messages or messages[-1]["role"] != "user":
        raise BadRow(f"{key!r} must end with a user's message, so that there is something to answer", key)
    if len(messages) == 1:
        return PromptShape(messages[0]["content"])
    return PromptShape(conversation_text(messages), messages)


def turns(prompt: PromptShape) -> list[dict]:
    """The prompt as messages, whichever way it was given."""
    return prompt.messages or [{"role": "user", "content": prompt.text}]


def answer_of(value: object, key: str) -> str:
    """An answer given as text or as a list with one assistant's message."""
    if not isinstance(value, list):
        return checked_text(value, key)
    messages = messages_of(value, key)
    if len(messages) != 1 or messages[0]["role"] != "assistant":
        raise BadRow(f"{key!r} must be one assistant's message", key)
    return messages[0]["content"]
