# SPDX-License-Identifier: Apache-2.0
"""Row and file formats of imports and exports: pure functions, row -> shape and shape -> row.

`read_row` detects the format of a row by its keys, or takes the named format. No module here knows the store.
"""

from __future__ import annotations

import difflib

from data.formats.rows import all_columns, alpaca, arena, hh, pandalm, sharegpt, trl
from data.formats.rows.conversation import read_answer, read_prompt_value
from data.formats.rows.fields import BadRow, read_field, read_optional_text
from data.formats.shapes import CompletionShape, InstructionShape, PairShape, PreferenceShape, PromptShape

Shape = PromptShape | InstructionShape | PreferenceShape | PairShape | CompletionShape

AUTO = "auto"
MODULES = {
    "full": all_columns,
    "arena": arena,
    "pandalm": pandalm,
    "sharegpt": sharegpt,
    "alpaca": alpaca,
    "hh": hh,
    "trl": trl,
}
"""Format -> module, in the order in which `detect_format` tries them."""
FORMATS = tuple(MODULES)
ALIASES = {"trl-implicit": "trl", "trl-conversational": "trl"}
"""Names of export formats -> the import format that reads them."""
READERS = {
    "prompts": "read_prompt",
    "instructions": "read_instruction",
    "preferences": "read_preference",
    "pairs": "read_preference",
}
"""Rows of a kind -> the function of a format's module that reads one; a format without it holds no such rows."""
KEYS = {
    "prompts": "'prompt', 'messages', 'conversations' or 'instruction'",
    "instructions": "'instruction' and 'output', 'prompt' and 'completion', 'messages', or 'conversations'",
    "preferences": "'chosen' and 'rejected' (with 'prompt' or 'instruction'), or two answers and who won",
    "pairs": "'chosen' and 'rejected', 'conversation_a' and 'conversation_b', or 'response1' and 'response2'",
    "completions": "'prompt' (or 'instruction'), 'response' and 'model'",
}


STARTS = ("instruction", "messages", "conversations", "prompt", "chosen")
"""Keys that start a row of a known format."""


def detect_format(row: dict) -> str:
    """Return the name of the row's format, by its keys."""
    return next((name for name, module in MODULES.items() if module.matches(row)), "trl")


def read_row(row: dict, what: str, form: str = AUTO) -> Shape:
    """Return the shape of one row of `what`. Raises BadRow with the reason."""
    if what == "completions":
        return read_completion(row)
    name = detect_format(row) if form == AUTO else ALIASES.get(form, form)
    if form == AUTO and not MODULES[name].matches(row):
        _refuse_unknown(row)
    reader = getattr(MODULES[name], READERS[what], None)
    if reader is None:
        raise BadRow(f"the {name} format has no {what}: each row needs {KEYS[what]}")
    shape = reader(row)
    if isinstance(shape, PreferenceShape) and shape.chosen == shape.rejected:
        raise BadRow("'chosen' and 'rejected' are the same text", "rejected")
    if isinstance(shape, PairShape):
        _check_pair(shape, what)
    return shape


def read_completion(row: dict) -> CompletionShape:
    """Read a completion of another model: its prompt, `response` (or `completion`, `output`) and `model`."""
    prompt = alpaca.read_prompt(row) if "instruction" in row else read_prompt_value(read_field(row, "prompt"), "prompt")
    key = next((key for key in ("response", "completion", "output") if key in row), "response")
    return CompletionShape(prompt, read_answer(read_field(row, key), key), read_optional_text(row, "model"))


def _refuse_unknown(row: dict) -> None:
    """Raise BadRow if a key of the row resembles a known key; it names both."""
    for key in row:
        near = difflib.get_close_matches(str(key).casefold(), STARTS, 1, 0.75)
        if near and near[0] not in row:
            raise BadRow(f"the row has no {near[0]!r}: rename {key!r} to {near[0]!r}", near[0])


def guess_content(row: dict) -> str:
    """Guess the content of a file by one of its rows: preferences, completions, instructions or prompts."""
    if {"chosen", "rejected"} <= row.keys() or detect_format(row) in ("full", "arena", "pandalm"):
        return "preferences"
    if {"response", "model"} & row.keys():
        return "completions"
    turns = row.get("messages") or row.get("conversations")
    last = turns[-1] if isinstance(turns, list) and turns and isinstance(turns[-1], dict) else {}
    answered = (last.get("role") or last.get("from")) in ("assistant", "gpt", "chatgpt", "bot", "model")
    return "instructions" if {"output", "completion", "instances"} & row.keys() or answered else "prompts"


def _check_pair(shape: PairShape, what: str) -> None:
    if shape.answers[0][0] == shape.answers[1][0]:
        raise BadRow("the two answers are the same text")
    if what == "preferences" and not shape.votes:
        raise BadRow("the row has no vote on the better answer: import such rows as pairs to label (--as pairs)")
