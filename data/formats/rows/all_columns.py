# SPDX-License-Identifier: Apache-2.0
"""The format with every column of a comparison: two texts as shown, and the label of the left one (1, 0.5, 0)."""

from __future__ import annotations

from data.formats.rows.conversation import make_prompt
from data.formats.rows.fields import BadRow, Row, read_field, read_number, read_optional_text, read_text
from data.formats.rows.messages import read_messages
from data.formats.rows.preference_metadata import check_learned, read_labeler, read_margin, read_source
from data.formats.shapes import PairShape, PromptShape, Vote
from data.formats.tracked_row import is_blank

NAME = "full"
NEEDS = (frozenset({"a_text", "b_text", "label"}),)
COLUMNS = {
    "prompt": "prompt",
    "messages": "turns",
    "a_text": "answer",
    "b_text": "answer",
    "a_model": "model",
    "b_model": "model",
    "label": "vote",
}
WINNERS = {1: 0, 0: 1, 0.5: None}


def read_prompt(row: Row) -> PromptShape:
    """Return the prompt, as messages if the row has them."""
    if is_blank(row.get("messages")):
        return PromptShape(read_text(row, "prompt"))
    prompt = make_prompt(read_messages(row, "messages"), "messages")
    if row.peek("prompt") == prompt.text:
        row.get("prompt")
    return prompt


def read_preference(row: Row) -> PairShape:
    """Return the two answers and the vote; for pairs only the answers."""
    first, second = (
        (read_text(row, f"{side}_text", blank=True), read_optional_text(row, f"{side}_model")) for side in "ab"
    )
    votes = () if not row.judged else (_read_vote(row),)
    return PairShape(read_prompt(row), (first, second), votes, read_source(row))


def _read_vote(row: Row) -> Vote:
    check_learned(row)
    read_field(row, "label")
    label = read_number(row, "label")
    if label not in WINNERS:
        raise BadRow.of("row.label_shares", "label", given=str(row["label"])[:40])
    return Vote(WINNERS[label], read_margin(row), read_labeler(row, "labeler"))
