# SPDX-License-Identifier: Apache-2.0
"""KTO's unpaired rows: a prompt, one completion, and `label`, which says whether the completion is a good one.

A good completion is a demonstration. A bad one teaches nothing by imitation, and one label compares no two answers.
Exports write prompt and completion as messages, so a conversation keeps its roles. Their two rows of a comparison name
it, so they come back as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.formats.rows import trl
from data.formats.rows.export_values import write_answer, write_messages
from data.formats.rows.fields import BadRow, Row, read_flag
from data.formats.rows.ranked.lists import read_objects
from data.formats.shapes import InstructionShape, PairShape, PreferenceShape, PromptShape
from data.texts import join_texts

NAME = "kto"
NEEDS = (frozenset({"prompt", "completion", "label"}), frozenset({"comparison", "rows"}))
COLUMNS = {"prompt": "prompt", "completion": "answer", "label": "mark", "rows": "both answers"}
CONTENT = "completions"
KEYS = join_texts("and", ("'completion'", "'label'"))


def group_by(row: Mapping[str, Any]) -> str:
    """Return the column that the two rows of an exported comparison share; a row of another file has none."""
    return "comparison"


def read_prompt(row: Row) -> PromptShape:
    """Return the prompt."""
    return trl.read_prompt(row)


def read_instruction(row: Row) -> InstructionShape:
    """Return a completion that is marked as good. Raises BadRow for one that is marked as bad."""
    if not read_flag(row, "label"):
        raise BadRow.of("row.completion_not_good", "label")
    if row.peek("comparison") is not None:
        row.leave("margin")  # how much better it is than the other answer of an exported comparison
    return trl.read_instruction(row)


def read_preference(row: Row) -> PreferenceShape | PairShape:
    """Return the comparison whose two answers are rows of an export. Raises BadRow for a row on its own."""
    return trl.read_preference(row.part(_join(row), "rows"))


def write_preference(shape: PreferenceShape) -> list[dict]:
    """Return a row for the chosen answer and one for the rejected answer, each with its model."""
    prompt, tools = write_messages(shape.prompt)
    answers = ((shape.chosen, True, shape.chosen_model), (shape.rejected, False, shape.rejected_model))
    return [
        {"prompt": prompt, "completion": write_answer(answer), "label": label, "model": model} | tools
        for answer, label, model in answers
    ]


def _join(row: Row) -> dict[str, Any]:
    """Return the columns of a preference from the rows of its two answers. Raises BadRow if they are not two."""
    parts = read_objects(row, "rows", KEYS) if "rows" in row else []
    answers = {read_flag(part, "label"): dict(part) for part in parts}
    if len(parts) != 2 or answers.keys() != {True, False}:
        raise BadRow.of("row.label_alone", "label")
    joined: dict[str, Any] = {}
    for name, answer in (("chosen", answers[True]), ("rejected", answers[False])):
        joined |= {name: answer.pop("completion", None), f"{name}_model": answer.pop("model", None)}
        answer.pop("label")
    if answers[True] != answers[False]:
        raise BadRow.of("row.answers_differ", "comparison")
    return answers[True] | joined
