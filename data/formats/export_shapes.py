# SPDX-License-Identifier: Apache-2.0
"""Export formats: the function that makes a row of a shape, and the columns of each format."""

from __future__ import annotations

from collections.abc import Callable

from data.formats.rows import alpaca, hh, trl
from data.formats.shapes import InstructionShape, PreferenceShape
from data.formats.tables import TOOL_MESSAGES

PREFERENCES: dict[str, Callable[[PreferenceShape], dict]] = {
    "trl": trl.write_explicit,
    "trl-implicit": trl.write_implicit,
    "trl-conversational": trl.write_conversational,
    "hh": hh.write_preference,
    "alpaca": alpaca.write_preference,
}
INSTRUCTIONS: dict[str, Callable[[InstructionShape], dict]] = {
    "alpaca": alpaca.write_instruction,
    "trl": trl.write_instruction,
    "trl-conversational": trl.write_instruction_messages,
}
FULL = "full"
"""Every column of the store, ties included."""
EVENTS = "full"
FORMATS = {"preferences": (*PREFERENCES, FULL), "instructions": tuple(INSTRUCTIONS), "events": (EVENTS,)}

PREFERENCE_COLUMNS = {
    "margin": "integer",
    "source": "text",
    "split": "text",
    "weight": "number",
    "comparison": "text",
    "labeler": "text",
    "project": "text",
    "guideline_version": "integer",
    "kind": "text",
    "said_in": "text",
}
COLUMNS = {
    ("preferences", "trl"): dict.fromkeys(("prompt", "chosen", "rejected"), "text"),
    ("preferences", "trl-implicit"): dict.fromkeys(("chosen", "rejected"), "text"),
    ("preferences", "trl-conversational"): dict.fromkeys(("prompt", "chosen", "rejected"), "messages"),
    ("preferences", "hh"): dict.fromkeys(("chosen", "rejected"), "text"),
    ("preferences", "alpaca"): dict.fromkeys(("instruction", "input", "output", "chosen", "rejected"), "text"),
    ("preferences", FULL): {
        "prompt_id": "integer",
        "prompt": "text",
        "messages": "messages",
        "a_id": "text",
        "b_id": "text",
        "a_text": "text",
        "b_text": "text",
        "a_token_ids": "integers",
        "b_token_ids": "integers",
        "label": "number",
    },
    ("instructions", "alpaca"): dict.fromkeys(("instruction", "input", "output", "text"), "text"),
    ("instructions", "trl"): dict.fromkeys(("prompt", "completion"), "text"),
    ("instructions", "trl-conversational"): {"messages": "messages"},
}


INSTRUCTION_COLUMNS = {
    "source": "text",
    "defects": "texts",
    "split": "text",
    "author": "text",
    "written_at": "text",
    "guideline_version": "integer",
}
"""Metadata columns of an instruction row; the last three are filled if a person wrote it."""


def list_columns(what: str, form: str) -> dict[str, str]:
    """Return the columns of rows in a format, and the kind of value in each (`data.formats.tables`)."""
    return COLUMNS[what, form] | (PREFERENCE_COLUMNS if what == "preferences" else INSTRUCTION_COLUMNS)


def add_tool_columns(columns: dict[str, str], form: str) -> dict[str, str]:
    """Return the columns of rows whose turns may call tools; TRL's messages have a column of the tools beside them."""
    kinds = {name: TOOL_MESSAGES if kind == "messages" else kind for name, kind in columns.items()}
    return kinds | ({"tools": "text"} if form == "trl-conversational" else {})


def make_pseudonym(id: int) -> str:
    """Return the pseudonym of a labeler, the same in every export of a home."""
    return f"labeler-{id}"
