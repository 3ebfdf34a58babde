# SPDX-License-Identifier: Apache-2.0
"""Answers and their ratings as two lists: `prompt` (or `query`), `responses`, and `scores` or `ranks`.

The scale of the scores is unknown, so only their order counts. Rank 1, or 0, is the best answer.
"""

from __future__ import annotations

from data.formats.rows.conversation import read_prompt_with_context, unspaced
from data.formats.rows.fields import BadRow, Row, read_number, read_optional_text
from data.formats.rows.ranked.grading import Rated, compare
from data.formats.rows.ranked.lists import as_part, read_texts
from data.formats.shapes import Answer, CompletionShape, PairShape, PromptShape
from data.formats.tracked_row import is_blank

NAME = "ranking"
PROMPTS = ("prompt", "query", "question", "instruction")
SIGNS = {"scores": 1, "ratings": 1, "ranks": -1}
NEEDS = tuple(frozenset({prompt, "responses"}) for prompt in PROMPTS) + tuple(
    frozenset({prompt, "responses", ratings}) for prompt in PROMPTS for ratings in SIGNS
)
COLUMNS = {
    **dict.fromkeys(PROMPTS, "prompt"),
    **dict.fromkeys(SIGNS, "ratings"),
    "responses": "answers",
    "models": "models",
}
CONTENT = "preferences"


def read_prompt(row: Row) -> PromptShape:
    """Return the prompt, from the first of its columns that the row has."""
    return read_prompt_with_context(row, _prompt_key(row))


def read_preference(row: Row) -> list[PairShape]:
    """Return a comparison of every two rated responses; for pairs every two responses."""
    answers = _answers(row)
    ratings = _ratings(row) or [None] * len(answers)
    if len(answers) != len(ratings):
        raise BadRow.of("row.responses_ratings", "responses", responses=len(answers), ratings=len(ratings))
    rated = [Rated(*answer, rating) for answer, rating in zip(answers, ratings, strict=True)]
    return compare(row, read_prompt(row), rated)


def read_completion(row: Row) -> list[CompletionShape]:
    """Return every response with its model."""
    prompt = read_prompt(row)
    return [CompletionShape(prompt, text, model) for text, model in _answers(row)]


def _prompt_key(row: Row) -> str:
    return next((key for key in PROMPTS if key in row), PROMPTS[0])


def _answers(row: Row) -> list[Answer]:
    """Return the responses, each with its model if the row names the models."""
    texts, models = read_texts(row, "responses"), as_part(row, "models")
    if not texts or len(models) not in (0, len(texts)):
        raise BadRow.of("row.responses_models", "responses", responses=len(texts), models=len(models))
    names = [read_optional_text(models, number) for number in models] or [None] * len(texts)
    key = _prompt_key(row)
    return [(unspaced(row, key, text), name) for text, name in zip(texts, names, strict=True)]


def _ratings(row: Row) -> list[float | None]:
    keys = [key for key in SIGNS if not is_blank(row.peek(key))]
    if not row.judged or not keys:
        return []
    if len(keys) > 1:
        raise BadRow.of("row.two_ratings", keys[1], first=keys[0], second=keys[1])
    part = as_part(row, keys[0])
    numbers = [read_number(part, number) for number in part]
    return [None if number is None else SIGNS[keys[0]] * number for number in numbers]
