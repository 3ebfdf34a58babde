# SPDX-License-Identifier: Apache-2.0
"""RewardBench: a prompt with one chosen and one rejected answer (1), or lists of right and wrong answers (2).

Each right answer is better than each wrong one. Answers of one list are not compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from data.formats.rows import trl
from data.formats.rows.conversation import read_prompt_with_context
from data.formats.rows.export_values import write_text, write_text_prompt
from data.formats.rows.fields import BadRow, Row, read_optional_text
from data.formats.rows.ranked.grading import Rated, compare_each
from data.formats.rows.ranked.lists import as_part, read_texts
from data.formats.shapes import CompletionShape, PairShape, PreferenceShape, PromptShape

NAME = "reward-bench"
NEEDS = (
    frozenset({"prompt", "chosen", "rejected", "subset"}),
    frozenset({"prompt", "chosen", "rejected", "models", "subset"}),
)
COLUMNS = {"prompt": "prompt", "chosen": "right answers", "rejected": "wrong answers", "models": "models"}
CONTENT = "preferences"


def fits(row: Mapping[str, Any]) -> bool:
    """Return whether both columns hold a text, or both a list of texts."""
    return all(isinstance(row[key], str) for key in ("chosen", "rejected")) or _is_second(row)


def read_prompt(row: Row) -> PromptShape:
    """Return the prompt."""
    return read_prompt_with_context(row, "prompt")


def read_preference(row: Row) -> PreferenceShape | PairShape | list[PairShape]:
    """Return the chosen and the rejected answer, or a comparison of each right with each wrong answer."""
    if not _is_second(row):
        return trl.read_preference(row)
    right, wrong = _answers(row)
    return compare_each(row, read_prompt(row), product(right, wrong))


def read_completion(row: Row) -> list[CompletionShape]:
    """Return every answer with its model."""
    prompt = read_prompt(row)
    if _is_second(row):
        return [CompletionShape(prompt, answer.text, answer.model) for part in _answers(row) for answer in part]
    shape = trl.read_preference(row)
    pair = shape.pair if isinstance(shape, PreferenceShape) else shape
    return [CompletionShape(prompt, *answer) for answer in pair.answers]


def write_preference(shape: PreferenceShape) -> dict:
    """Return the row of a preference in the first release's columns. Raises BadRow for a conversation."""
    return {
        "prompt": write_text_prompt(shape.prompt, "RewardBench"),
        "chosen": write_text(shape.chosen, "RewardBench"),
        "chosen_model": shape.chosen_model,
        "rejected": write_text(shape.rejected, "RewardBench"),
        "rejected_model": shape.rejected_model,
    }


def _is_second(row: Mapping[str, Any]) -> bool:
    return "models" in row


def _answers(row: Row) -> tuple[list[Rated], list[Rated]]:
    """Return the right and the wrong answers; `models` names those of the right ones, then of the wrong ones."""
    right, wrong = read_texts(row, "chosen"), read_texts(row, "rejected")
    if not right or not wrong:
        raise BadRow.of("row.no_answers", "chosen" if not right else "rejected")
    models: list[str | None] = [None] * (len(right) + len(wrong))
    if isinstance(row.peek("models"), list) and len(row.peek("models")) == len(models):
        part = as_part(row, "models")
        models = [read_optional_text(part, number) for number in part]
    answers = [
        Rated(text, model, float(place < len(right)))
        for place, (text, model) in enumerate(zip([*right, *wrong], models, strict=True))
    ]
    return answers[: len(right)], answers[len(right) :]
