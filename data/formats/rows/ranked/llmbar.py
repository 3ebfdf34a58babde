# SPDX-License-Identifier: Apache-2.0
"""LLMBar: an instruction in `input`, two outputs, and `label` 1 or 2 for the better one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.formats.rows.conversation import read_answer, read_prompt_with_context
from data.formats.rows.fields import BadRow, Row, read_number
from data.formats.rows.preference_metadata import check_learned, read_source
from data.formats.shapes import PairShape, PromptShape, Vote

NAME = "llmbar"
NEEDS = (frozenset({"input", "output_1", "output_2"}),)
COLUMNS = {"input": "prompt", "output_1": "answer", "output_2": "answer", "label": "vote"}
LABELS = (1, 2)


def fits(row: Mapping[str, Any]) -> bool:
    """Return whether the instruction stands in `input` alone."""
    return "instruction" not in row


def read_prompt(row: Row) -> PromptShape:
    """Return the instruction."""
    return read_prompt_with_context(row, "input")


def read_preference(row: Row) -> PairShape:
    """Return the two outputs and the vote, none if the row has no label."""
    check_learned(row)
    first, second = ((read_answer(row, f"output_{number}", blank=True), None) for number in LABELS)
    label = None if not row.judged else read_number(row, "label")
    if label is not None and label not in LABELS:
        raise BadRow.of("row.label_sides", "label", given=str(row["label"])[:40])
    votes = () if label is None else (Vote(int(label) - 1),)
    return PairShape(read_prompt(row), (first, second), votes, read_source(row))
