# SPDX-License-Identifier: Apache-2.0
"""Export formats: the function that makes rows of a shape, and the columns of each format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from data.formats.export.column_types import TOOL_MESSAGES
from data.formats.rows import alpaca, hh, kto, sharegpt, trl
from data.formats.rows.chats import openai_dpo
from data.formats.rows.ranked import reward_bench
from data.formats.shapes import InstructionShape, PreferenceShape, PromptShape

ShapeType = TypeVar("ShapeType", InstructionShape, PreferenceShape, PromptShape)


@dataclass(frozen=True, slots=True)
class Format(Generic[ShapeType]):
    """A format: `write` returns the row of a shape or its rows, and raises BadRow if the format cannot hold it."""

    write: Callable[[ShapeType], dict | list[dict]]
    columns: dict[str, str]

    def rows(self, shape: ShapeType) -> list[dict]:
        """Return the rows of a shape."""
        written = self.write(shape)
        return [written] if isinstance(written, dict) else written


def _texts(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "text")


PREFERENCES: dict[str, Format[PreferenceShape]] = {
    "trl": Format(trl.write_explicit, _texts("prompt", "chosen", "rejected")),
    "trl-implicit": Format(trl.write_implicit, _texts("chosen", "rejected")),
    "trl-conversational": Format(trl.write_conversational, dict.fromkeys(("prompt", "chosen", "rejected"), "messages")),
    "hh": Format(hh.write_preference, _texts("chosen", "rejected")),
    "alpaca": Format(alpaca.write_preference, _texts("instruction", "input", "output", "chosen", "rejected")),
    "sharegpt": Format(sharegpt.write_preference, {"conversations": "turns", "chosen": "turn", "rejected": "turn"}),
    "openai-dpo": Format(
        openai_dpo.write_preference,
        {"input": "request", "preferred_output": "messages", "non_preferred_output": "messages"},
    ),
    "kto": Format(
        kto.write_preference, {"prompt": "messages", "completion": "messages", "label": "boolean", "model": "text"}
    ),
    "reward-bench": Format(
        reward_bench.write_preference,
        _texts("prompt", "chosen", "chosen_model", "rejected", "rejected_model", "subset", "id"),
    ),
}
SINGLE = ("kto",)
"""Formats of preferences whose rows hold one answer each, with its model."""
MODEL_COLUMNS = ("chosen_model", "rejected_model")
INSTRUCTIONS: dict[str, Format[InstructionShape]] = {
    "alpaca": Format(alpaca.write_instruction, _texts("instruction", "input", "output", "text")),
    "trl": Format(trl.write_instruction, _texts("prompt", "completion")),
    "trl-conversational": Format(trl.write_instruction_messages, {"messages": "messages"}),
    "sharegpt": Format(sharegpt.write_instruction, {"conversations": "turns"}),
}
PROMPTS: dict[str, Format[PromptShape]] = {
    "trl": Format(trl.write_prompt, _texts("prompt")),
    "trl-conversational": Format(trl.write_prompt_messages, {"prompt": "messages"}),
}
TOOL_KINDS = {"messages": TOOL_MESSAGES, "request": "json"}
"""Kinds of columns -> their kinds in files with tools."""
FULL = "full"
"""Every column of the store, ties included."""
EVENTS = "full"
FORMATS = {
    "prompts": tuple(PROMPTS),
    "preferences": (*PREFERENCES, FULL),
    "instructions": tuple(INSTRUCTIONS),
    "events": (EVENTS,),
}

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
FULL_COLUMNS = {
    "prompt_id": "integer",
    "prompt": "text",
    "messages": "messages",
    "a_id": "text",
    "b_id": "text",
    "a_model": "text",
    "b_model": "text",
    "a_text": "text",
    "b_text": "text",
    "a_token_ids": "integers",
    "b_token_ids": "integers",
    "label": "number",
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
PROMPT_COLUMNS = {"source": "text", "split": "text", "family": "text", "facts": "json"}


def list_columns(what: str, form: str) -> dict[str, str]:
    """Return the columns of rows in a format, and the kind of value in each (`data.formats.export.column_types`)."""
    if what == "prompts":
        return PROMPTS[form].columns | PROMPT_COLUMNS
    if what == "instructions":
        return INSTRUCTIONS[form].columns | INSTRUCTION_COLUMNS
    if form == FULL:
        return FULL_COLUMNS | PREFERENCE_COLUMNS
    models = {} if form in SINGLE else _texts(*MODEL_COLUMNS)
    return PREFERENCES[form].columns | models | PREFERENCE_COLUMNS


def add_tool_columns(columns: dict[str, str], form: str) -> dict[str, str]:
    """Return the columns of rows whose turns may call tools.

    TRL's messages have a column of the tools beside them. OpenAI's requests hold the tools, which are any JSON.
    """
    kinds = {name: TOOL_KINDS.get(kind, kind) for name, kind in columns.items()}
    return kinds | ({"tools": "text"} if form in ("trl-conversational", "kto") else {})


def make_pseudonym(id: int) -> str:
    """Return the pseudonym of a labeler, the same in every export of a home."""
    return f"labeler-{id}"
