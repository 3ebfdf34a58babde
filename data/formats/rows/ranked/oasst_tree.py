# SPDX-License-Identifier: Apache-2.0
"""Trees of messages as OpenAssistant writes them.

Deleted messages and those that failed the review (`review_result` false) are left out with their replies. The labels
quality, helpfulness and creativity become aspects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from data.formats.rows.conversation import make_prompt, note_marks
from data.formats.rows.fields import BadRow, Row, check_text, read_flag, read_number, read_optional_text, read_text
from data.formats.rows.messages import SPEAKERS
from data.formats.rows.ranked.grading import Rated
from data.formats.rows.ranked.lists import read_object, read_objects
from data.formats.shapes import PromptShape
from data.formats.tracked_row import is_blank, remark
from data.texts import Translatable, join_texts

LABELS = Translatable.of("row.labels")
KEYS = join_texts("and", ("'text'", "'role'"))
JUDGED = ("rank", "labels")
"""Columns that judge an answer."""
ASPECTS = ("quality", "helpfulness", "creativity")
DEEPEST = 100
"""Messages in a line."""
Replies = Callable[[Row], list[Row]]
"""The replies to a message."""


class Turn(NamedTuple):
    """A user's message with the messages before it, and the answers to it. Each is read when it is wanted."""

    messages: list[Row]
    answers: list[Row]

    def prompt(self) -> PromptShape:
        """Return the prompt: all messages up to the user's."""
        said = [{"role": _role(message), "content": read_text(message, "text")} for message in self.messages]
        return make_prompt(said, "text")


def walk(row: Row, message: Row, replies: Replies, before: Sequence[Row] = ()) -> Iterator[Turn]:
    """Yield each user's message of a branch with its answers."""
    if not _counts(row, message):
        return
    said = [*before, message]
    if len(said) > DEEPEST:
        raise BadRow.of("row.tree_deep", "replies", deepest=DEEPEST)
    role, replied = _role(message), replies(message)
    if role == "user":
        answers = [reply for reply in replied if _is_good(reply)]
        for answer in answers:
            if _role(answer) != "assistant":
                raise BadRow.of("row.tree_reply", "role", path=answer.path + "role")
        yield Turn(said, answers)
    for reply in replied:
        yield from walk(row, reply, replies, said)


def nested_replies(message: Row) -> list[Row]:
    """Return the replies that a message holds. Raises BadRow."""
    return [] if is_blank(message.get("replies")) else read_objects(message, "replies", KEYS)


def join_messages(row: Row, key: str) -> tuple[Row, Replies]:
    """Return the first message of a tree whose messages are a list, and the replies to each. Raises BadRow."""
    messages, replies = read_objects(row, key, KEYS), dict[str | None, list[Row]]()
    for message in messages:
        parent = message.get("parent_id")
        if not isinstance(parent, str | None) or not isinstance(message.get("message_id"), str):
            raise BadRow.of("row.tree_ids", "message_id")
        replies.setdefault(parent or None, []).append(message)
    roots, ids = replies.pop(None, []), {message["message_id"] for message in messages}
    if len(roots) != 1 or len(ids) < len(messages):
        raise BadRow.of("row.tree_roots", "parent_id", roots=len(roots))
    for message in (message for parent in replies.keys() - ids for message in replies[parent]):
        row.note(remark("orphans"))
        leave_judgements(message)
    return roots[0], lambda message: replies.get(message["message_id"], [])


def leave_judgements(message: Row) -> None:
    """Let the columns that judge an answer stay unread, if the answer is not compared."""
    for key in JUDGED:
        message.leave(key)


def _is_good(message: Row) -> bool:
    return not read_flag(message, "deleted") and read_flag(message, "review_result") is not False


def _counts(row: Row, message: Row) -> bool:
    leave_judgements(message)
    good = _is_good(message)
    if not good:
        row.note(remark("deleted"))
    return good


def _role(message: Row) -> str:
    name = message.get("role")
    role = SPEAKERS.get(name) if isinstance(name, str) else None
    if role not in ("user", "assistant"):
        raise BadRow.of("row.tree_role", "role", path=message.path + "role", given=str(name)[:40])
    return role


def read_rank(message: Row) -> float | None:
    """Return the place of an answer among its siblings, 0 the best; None if it has none."""
    return read_number(message, "rank")


def read_answer(row: Row, message: Row) -> Rated:
    """Return the text of an answer and its model."""
    text = check_text(message.get("text"), "text")
    note_marks(row, text, "text")
    return Rated(text, read_optional_text(message, "model_name"))


def read_ranked(row: Row, message: Row) -> Rated:
    """Return an answer with its rank and its labels."""
    aspects = {} if is_blank(message.peek("labels")) else _labels(message)
    return replace(read_answer(row, message), rating=-(read_rank(message) or 0), aspects=aspects)


def _labels(message: Row) -> dict[str, float]:
    """Return the labels that are aspects: objects with a `value` by name, or the lists `name` and `value`."""
    labels = read_object(message, "labels", LABELS)
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
