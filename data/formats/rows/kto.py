# SPDX-License-Identifier: Apache-2.0
"""KTO's unpaired rows: a prompt, one completion, and `label`, which says whether the completion is a good one.

A good completion is a demonstration. A bad one teaches nothing by imitation, and one label compares no two answers.
"""

from __future__ import annotations

from typing import NoReturn

from data.formats.rows import trl
from data.formats.rows.fields import BadRow, Row, read_flag
from data.formats.shapes import InstructionShape, PromptShape

NAME = "kto"
NEEDS = (frozenset({"prompt", "completion", "label"}),)
COLUMNS = {"prompt": "prompt", "completion": "answer", "label": "mark"}
CONTENT = "completions"


def read_prompt(row: Row) -> PromptShape:
    """Return the prompt."""
    return trl.read_prompt(row)


def read_instruction(row: Row) -> InstructionShape:
    """Return a completion that is marked as good. Raises BadRow for one that is marked as bad."""
    if not read_flag(row, "label"):
        raise BadRow("'label' does not say true: the completion is not one to imitate", "label")
    return trl.read_instruction(row)


def read_preference(row: Row) -> NoReturn:
    """Raise BadRow: a label is about one answer."""
    raise BadRow(
        "'label' marks one completion and compares no two: import the rows as completions to be compared"
        " (--as completions), or the good ones as instructions (--as instructions --skip-bad)",
        "label",
    )
