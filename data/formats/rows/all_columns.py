# SPDX-License-Identifier: Apache-2.0
"""The format with every column of a comparison: two texts as shown, and the label of the left one (1, 0.5, 0)."""

from __future__ import annotations

from data.formats.rows.conversation import read_prompt_value
from data.formats.rows.fields import BadRow, read_field, read_optional_text, read_text
from data.formats.rows.preference_metadata import read_metadata
from data.formats.shapes import PairShape, PromptShape, Vote

WINNERS = {1: 0, 0: 1, 0.5: None}


def matches(row: dict) -> bool:
    """Return whether a row is in this format."""
    return {"a_text", "b_text", "label"} <= row.keys()


def read_prompt(row: dict) -> PromptShape:
    """Return the prompt, as messages if the row has them."""
    return read_prompt_value(row.get("messages") or read_field(row, "prompt"), "prompt")


def read_preference(row: dict) -> PairShape:
    """Return the two answers and the vote."""
    metadata = read_metadata(row)
    label = row["label"] if "label" in row else read_field(row, "label")
    if not isinstance(label, (int, float)) or label not in WINNERS:
        raise BadRow(f"'label' must be 1, 0.5 or 0, not {str(label)[:40]!r}", "label")
    vote = Vote(WINNERS[label], metadata["margin"], metadata["labeler"])
    first, second = ((read_text(row, f"{side}_text"), read_optional_text(row, f"{side}_model")) for side in "ab")
    return PairShape(read_prompt(row), (first, second), (vote,), metadata["source"])
