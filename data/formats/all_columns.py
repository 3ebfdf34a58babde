"""Every column of a comparison, as export writes it: two texts as they stood, and the label of the left one (1, 0.5, 0)."""

from __future__ import annotations

from data.formats.conversation import prompt_of
from data.formats.fields import BadRow, optional_text, text, wanted
from data.formats.preference_metadata import stated
from data.formats.shapes import JudgedShape, PromptShape, Vote

WINNERS = {1: 0, 0: 1, 0.5: None}


def matches(row: dict) -> bool:
    """Whether a row is in this format."""
    return {"a_text", "b_text", "label"} <= row.keys()


def prompt(row: dict) -> PromptShape:
    """The prompt, as messages where it has them."""
    return prompt_of(row.get("messages") or wanted(row, "prompt"), "prompt")


def preference(row: dict) -> JudgedShape:
    """The two answers and what was said of them."""
    about = stated(row)
    label = row["label"] if "label" in row else wanted(row, "label")
    if not isinstance(label, (int, float)) or label not in WINNERS:
        raise BadRow(f"'label' must be 1, 0.5 or 0, not {str(label)[:40]!r}", "label")
    vote = Vote(WINNERS[label], about["margin"], about["labeler"])
    answers = tuple((text(row, f"{side}_text"), optional_text(row, f"{side}_model")) for side in "ab")
    return JudgedShape(prompt(row), answers, (vote,), about["source"])
