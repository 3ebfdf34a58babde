# SPDX-License-Identifier: Apache-2.0
"""TRL's implicit preferences as TRL defines them: the prompt is the beginning that both texts share.

This border is derived, not read, so a file is read this way only if its user asks for it. The result counts the rows.
"""

from __future__ import annotations

import os

from data.formats.rows import trl
from data.formats.rows.conversation import add_context, note_left_answer
from data.formats.rows.fields import BadRow, Row, read_text
from data.formats.rows.preference_metadata import make_preference
from data.formats.shapes import PairShape, PreferenceShape, PromptShape
from data.formats.tracked_row import remark

NAME = "trl-implicit"
NEEDS = ()
COLUMNS = {"chosen": "prompt and better answer", "rejected": "prompt and worse answer"}
DERIVED = remark("derived")


def read_prompt(row: Row) -> PromptShape:
    """Return the beginning that both texts share."""
    note_left_answer(row, "chosen")
    return _read_answers(row)[0]


def read_preference(row: Row) -> PreferenceShape | PairShape:
    """Read a row of texts without a prompt; rows with a prompt, messages or chat marks as `trl` does."""
    return make_preference(row, *_read_answers(row))


def _read_answers(row: Row) -> tuple[PromptShape, str, str]:
    if "prompt" in row or not all(isinstance(row.peek(key), str) for key in trl.ANSWERS):
        return trl.read_answers(row)
    if trl.read_transcripts(row):
        return trl.read_answers(row)
    if any(key.casefold() in trl.PROMPTS for key in row):
        trl.refuse_missing_prompt(row)
    chosen, rejected = read_text(row, "chosen"), read_text(row, "rejected")
    shared = os.path.commonprefix([chosen, rejected])
    end = max(shared.rfind(space) for space in (" ", "\n", "\t")) + 1
    prompt = shared[:end].rstrip()
    if not prompt:
        raise BadRow.of("row.no_shared_prompt", "prompt")
    row.note(DERIVED)
    return add_context(row, PromptShape(prompt)), chosen[end:], rejected[end:]
