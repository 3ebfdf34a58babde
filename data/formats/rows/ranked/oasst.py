# SPDX-License-Identifier: Apache-2.0
"""OpenAssistant's trees: a prompt, replies to it, replies to those, and the rank of each answer among its siblings.

A row is a tree (`message_tree_id`, `prompt`), its first message (`message_id`, `text`, `role`, `replies`), or one of
its messages (`parent_id`), which all follow one another. Rank 0 is the best answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.formats.rows.fields import BadRow, Row
from data.formats.rows.ranked.grading import compare
from data.formats.rows.ranked.lists import read_object
from data.formats.rows.ranked.oasst_tree import (
    KEYS,
    Replies,
    Turn,
    join_messages,
    nested_replies,
    read_answer,
    read_rank,
    read_ranked,
    walk,
)
from data.formats.shapes import CompletionShape, PairShape, PromptShape
from data.formats.tracked_row import remark

NAME = "oasst"
NEEDS = (
    frozenset({"message_tree_id", "prompt"}),
    frozenset({"message_id", "text", "role"}),
    frozenset({"message_tree_id", "rows"}),
)
COLUMNS = {
    **dict.fromkeys(("message_tree_id", "prompt", "replies", "rows"), "tree"),
    **dict.fromkeys(("message_id", "parent_id"), "tree"),
    **dict.fromkeys(("tree_state", "deleted", "review_result"), "mark"),
    "rank": "rank",
    "labels": "ratings",
    "text": "prompt",
    "role": "speaker",
}
CONTENT = "preferences"
LOW_STATES = ("aborted_low_grade", "halted_by_moderator")


def group_by(row: Mapping[str, Any]) -> str:
    """Return the column of the tree if the row is one of its messages."""
    return "message_tree_id" if {"message_id", "parent_id"} <= row.keys() and not row.get("replies") else ""


def read_prompt(row: Row) -> list[PromptShape]:
    """Return every prompt of the tree with the turns before it."""
    return [turn.prompt() for turn in _turns(row)]


def read_preference(row: Row) -> list[PairShape]:
    """Return a comparison of every two ranked answers to one prompt; for pairs every two answers."""
    shapes: list[PairShape] = []
    for turn in _turns(row):
        messages = turn.answers if not row.judged else _ranked(row, turn.answers)
        if len(messages) < 2:
            continue
        answers = [(read_ranked if row.judged else read_answer)(row, message) for message in messages]
        if len({answer.text for answer in answers}) > 1:
            shapes += compare(row, turn.prompt(), answers)
        else:
            row.note(remark("same_text"))
    if not shapes:
        raise BadRow.of("row.tree_same_ranked" if row.judged else "row.tree_same")
    return shapes


def read_completion(row: Row) -> list[CompletionShape]:
    """Return every answer of the tree, with its model if one wrote it."""
    answers = [(turn, read_answer(row, message)) for turn in _turns(row) for message in turn.answers]
    shapes = [CompletionShape(turn.prompt(), answer.text, answer.model) for turn, answer in answers]
    if not shapes:
        raise BadRow.of("row.tree_unanswered")
    return shapes


def _ranked(row: Row, answers: list[Row]) -> list[Row]:
    ranked = [answer for answer in answers if read_rank(answer) is not None]
    if len(ranked) < len(answers):
        row.note(remark("unranked"))
    return ranked


def _turns(row: Row) -> list[Turn]:
    root, replies = _root(row)
    state = root.get("tree_state") if "rows" in row else row.get("tree_state")
    if state in LOW_STATES:
        raise BadRow.of("row.tree_low", "tree_state", state=state)
    turns = list(walk(row, root, replies))
    if not turns:
        raise BadRow.of("row.tree_empty", "prompt")
    return turns


def _root(row: Row) -> tuple[Row, Replies]:
    """Return the first message of the tree, and the replies to each message."""
    if "rows" in row:
        return join_messages(row, "rows")
    if "prompt" in row:
        return read_object(row, "prompt", KEYS), nested_replies
    if "replies" not in row:
        raise BadRow.of("row.tree_message", "replies")
    return row, nested_replies
