# SPDX-License-Identifier: Apache-2.0
"""Trees of messages as OpenAssistant writes them.

Deleted messages and those that failed the review (`review_result` false) are left out with their replies. The labels
quality, helpfulness and creativity become aspects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from data.formats.rows.conversation import make_prompt, note_marks
from data.formats.rows.fields import BadRow, Row, check_text, read_flag, read_number, read_optional_text, read_text
from data.formats.rows.messages import SPEAKERS
from data.formats.rows.ranked.grading import Rated
from data.formats.rows.ranked.lists import read_object, read_objects
from data.formats.shapes import PromptShape
from data.formats.tracked_row import is_blank

KEYS = "'text' and 'role'"
ASPECTS = ("quality", "helpfulness", "creativity")
DEEPEST = 100
"""Messages in a line."""


class Turn(NamedTuple):
    """A user's message with the turns before it, and the answers to it."""

    prompt: PromptShape
    answers: list[Rated]


def walk(row: Row, message: Row, before: Sequence[dict] = ()) -> Iterator[Turn]:
    """Yield each user's message of a branch with its answers."""
    if not _counts(row, message):
        return
    said = [*before, {"role": _role(message), "content": read_text(message, "text")}]
    if len(said) > DEEPEST:
        raise BadRow(f"the tree is deeper than {DEEPEST} messages", "replies")
    replies = [] if is_blank(message.get("replies")) else read_objects(message, "replies", KEYS)
    if said[-1]["role"] == "user":
        answers = [_answer(row, reply) for reply in replies if _is_good(reply)]
        yield Turn(make_prompt(said, "text"), answers)
    for reply in replies:
        yield from walk(row, reply, said)


def join_messages(row: Row, key: str) -> dict[str, Any]:
    """Return the first message of a tree whose messages are a list, each with its replies. Raises BadRow."""
    messages = [dict(part) for part in read_objects(row, key, KEYS)]
    replies: dict[str | None, list[dict]] = {}
    for message in messages:
        parent = message.get("parent_id")
        if not isinstance(parent, str | None) or not isinstance(message.get("message_id"), str):
            raise BadRow("'message_id' and 'parent_id' must be texts", "message_id")
        replies.setdefault(parent or None, []).append(message)
    roots = replies.pop(None, [])
    if len(roots) != 1 or len({message["message_id"] for message in messages}) < len(messages):
        raise BadRow(f"the tree has {len(roots)} first messages, or holds a message twice", "parent_id")
    for message in messages:
        message["replies"] = replies.pop(message["message_id"], [])
    if replies:
        row.note("messages without the message that they answer were left out")
    return roots[0]


def _is_good(message: Row) -> bool:
    return not read_flag(message, "deleted") and read_flag(message, "review_result") is not False


def _counts(row: Row, message: Row) -> bool:
    good = _is_good(message)
    if not good or _role_name(message) == "user":
        for key in ("rank", "labels"):  # they judge no answer that is compared
            message.leave(key)
    if not good:
        row.note("messages that are deleted or failed the review were left out, with their replies")
    return good


def _role_name(message: Row) -> str | None:
    name = message.get("role")
    return SPEAKERS.get(name) if isinstance(name, str) else None


def _role(message: Row) -> str:
    name, role = message.get("role"), _role_name(message)
    if role not in ("user", "assistant"):
        raise BadRow(f"{message.path + 'role'!r} must be 'prompter' or 'assistant', not {str(name)[:40]!r}", "role")
    return role


def _answer(row: Row, message: Row) -> Rated:
    if _role(message) != "assistant":
        raise BadRow(f"{message.path + 'role'!r} must be 'assistant': it replies to a prompter", "role")
    rank = read_number(message, "rank")
    aspects = {} if is_blank(message.peek("labels")) else _labels(message)
    text = check_text(message.get("text"), "text")
    note_marks(row, text, "text")
    return Rated(text, read_optional_text(message, "model_name"), None if rank is None else -rank, aspects)


def _labels(message: Row) -> dict[str, float]:
    """Return the labels that are aspects: objects with a `value` by name, or the lists `name` and `value`."""
    labels = read_object(message, "labels", "labels")
    names, values = labels.get("name"), labels.get("value")
    if isinstance(names, list) and isinstance(values, list):
        labels = message.part(
            {str(name): {"value": value} for name, value in zip(names, values, strict=False)}, "labels"
        )
    aspects: dict[str, float] = {}
    for name in ASPECTS:
        if isinstance(labels.peek(name), dict):
            value = read_number(labels.part(labels[name], name), "value")
            aspects |= {} if value is None else {name: value}
    return aspects
