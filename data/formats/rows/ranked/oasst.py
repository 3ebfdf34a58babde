# SPDX-License-Identifier: Apache-2.0
"""OpenAssistant's trees: a prompt, replies to it, replies to those, and the rank of each answer among its siblings.

A row is a tree (`message_tree_id`, `prompt`), its first message (`message_id`, `text`, `role`, `replies`), or one of
its messages (`parent_id`), which all follow one another. Rank 0 is the best answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.formats.rows.fields import BadRow, Row
from data.formats.rows.ranked.grading import Rated, compare
from data.formats.rows.ranked.lists import read_object
from data.formats.rows.ranked.oasst_tree import KEYS, Turn, join_messages, walk
from data.formats.shapes import CompletionShape, PairShape, PromptShape

NAME = "oasst"
NEEDS = (
    frozenset({"message_tree_id", "prompt"}),
    frozenset({"message_id", "text", "role"}),
    frozenset({"message_tree_id", "rows"}),
)
COLUMNS = {
    **dict.fromkeys(("message_tree_id", "prompt", "replies", "rows"), "tree"),
    "tree_state": "mark",
    "text": "prompt",
    "role": "speaker",
}
CONTENT = "preferences"
LOW_STATES = ("aborted_low_grade", "halted_by_moderator")


def group_by(row: Mapping[str, Any]) -> str:
    """Return the column of the tree if the row is one of its messages."""
    return "message_tree_id" if {"message_id", "parent_id"} <= row.keys() and "replies" not in row else ""


def read_prompt(row: Row) -> list[PromptShape]:
    """Return every prompt of the tree with the turns before it."""
    return [turn.prompt for turn in _turns(row)]


def read_preference(row: Row) -> list[PairShape]:
    """Return a comparison of every two ranked answers to one prompt; for pairs every two answers."""
    shapes: list[PairShape] = []
    for turn in _turns(row):
        answers = turn.answers if not row.judged else _ranked(row, turn.answers)
        if len({answer.text for answer in answers}) > 1:
            shapes += compare(row, turn.prompt, answers)
        elif len(answers) > 1:
            row.note("two answers of the same text are no comparison")
    if not shapes:
        ranked = "" if not row.judged else " with a rank"
        raise BadRow(f"no prompt of the tree has two different answers{ranked}")
    return shapes


def read_completion(row: Row) -> list[CompletionShape]:
    """Return every answer of the tree, with its model if one wrote it."""
    turns = _turns(row)
    shapes = [CompletionShape(turn.prompt, answer.text, answer.model) for turn in turns for answer in turn.answers]
    if not shapes:
        raise BadRow("the tree holds no answer")
    return shapes


def _ranked(row: Row, answers: list[Rated]) -> list[Rated]:
    ranked = [answer for answer in answers if answer.rating is not None]
    if len(ranked) < len(answers):
        row.note("answers without a rank were left out")
    return ranked


def _turns(row: Row) -> list[Turn]:
    root = _root(row)
    state = root.get("tree_state") if "rows" in row else row.get("tree_state")
    if state in LOW_STATES:
        raise BadRow(f"'tree_state' is {state!r}: the tree is of low quality", "tree_state")
    turns = list(walk(row, root))
    if not turns:
        raise BadRow("the tree holds no message that counts: all are deleted or failed the review", "prompt")
    return turns


def _root(row: Row) -> Row:
    """Return the first message of the tree."""
    if "rows" in row:
        return row.part(join_messages(row, "rows"), "rows")
    if "prompt" in row:
        return read_object(row, "prompt", KEYS)
    if "replies" not in row:
        reason = "the row is one message of a tree: import it as preferences or pairs, or a file of whole trees"
        raise BadRow(reason, "replies")
    return row
