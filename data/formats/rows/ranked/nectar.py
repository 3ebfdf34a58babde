# SPDX-License-Identifier: Apache-2.0
"""Nectar and other rankings of one row: a prompt and `answers`, each with its text, its model and its rank from 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from data.formats.nested import parse_nested
from data.formats.rows.conversation import note_marks, read_prompt_with_context, unspaced
from data.formats.rows.fields import Row, check_text, read_number, read_optional_text
from data.formats.rows.ranked.grading import UNRATED, Rated, compare
from data.formats.rows.ranked.lists import read_objects
from data.formats.shapes import CompletionShape, PairShape, PromptShape
from data.texts import join_texts

NAME = "nectar"
NEEDS = (frozenset({"prompt", "answers"}),)
COLUMNS = {"prompt": "prompt", "answers": "answers, ranks and models"}
CONTENT = "preferences"
KEYS = join_texts("and", ("'answer'", "'rank'"))


def fits(row: Mapping[str, Any]) -> bool:
    """Return whether the answers are objects with an `answer`."""
    answers = row["answers"]
    answers = parse_nested(answers) if isinstance(answers, str) else answers
    return isinstance(answers, list) and bool(answers) and isinstance(answers[0], dict) and "answer" in answers[0]


def read_prompt(row: Row) -> PromptShape:
    """Return the prompt; a transcript becomes turns."""
    return read_prompt_with_context(row, "prompt")


def read_preference(row: Row) -> list[PairShape]:
    """Return a comparison of every two ranked answers; for pairs every two answers."""
    answers = [_ranked(row, part) if row.judged else _answer(row, part) for part in _parts(row)]
    return compare(row, read_prompt(row), answers)


def read_completion(row: Row) -> list[CompletionShape]:
    """Return every answer with its model."""
    prompt = read_prompt(row)
    answers = [_answer(row, part) for part in _parts(row)]
    return [CompletionShape(prompt, answer.text, answer.model) for answer in answers]


def _parts(row: Row) -> list[Row]:
    return read_objects(row, "answers", KEYS)


def _ranked(row: Row, part: Row) -> Rated:
    rank = read_number(part, "rank")
    return UNRATED if rank is None else replace(_answer(row, part), rating=-rank)


def _answer(row: Row, part: Row) -> Rated:
    text = check_text(part.get("answer"), "answer", blank=True)
    note_marks(row, text, "answer")
    return Rated(unspaced(row, "prompt", text), read_optional_text(part, "model"))
