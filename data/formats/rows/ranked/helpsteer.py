# SPDX-License-Identifier: Apache-2.0
"""HelpSteer 1 and 2: a prompt, one response, and its ratings from 0 to 4 by five criteria.

Rows of one prompt follow one another and are compared: helpfulness is the verdict, every criterion an aspect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.formats.rows.conversation import add_context, note_marks
from data.formats.rows.fields import BadRow, Row, check_text, read_number
from data.formats.rows.ranked.grading import UNRATED, Rated, compare
from data.formats.rows.ranked.helpsteer_preference import read_marked_prompt
from data.formats.rows.ranked.lists import read_objects
from data.formats.shapes import CompletionShape, PairShape, PromptShape
from data.texts import Translatable, join_texts

NAME = "helpsteer"
CRITERIA = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
NEEDS = (frozenset({"prompt", "response", *CRITERIA}), frozenset({"prompt", "rows"}))
COLUMNS = {
    "prompt": "prompt",
    "response": "answer",
    "rows": "answers and ratings",
    **dict.fromkeys(CRITERIA, "rating"),
}
CONTENT = "preferences"
SPAN = 4
KEYS = join_texts("and", ("'response'", Translatable.of("row.ratings")))


def group_by(row: Mapping[str, Any]) -> str:
    """Return the column that rows of one prompt share."""
    return "prompt"


def read_prompt(row: Row) -> PromptShape:
    """Return the prompt; marks between its turns make it a conversation."""
    return add_context(row, read_marked_prompt(row, "prompt"))


def read_preference(row: Row) -> list[PairShape]:
    """Return a comparison of every two responses to the prompt."""
    if "rows" not in row:
        raise BadRow.of("row.one_response", "response")
    answers = [_rated(row, part) for part in read_objects(row, "rows", KEYS)]
    if len(answers) < 2:
        raise BadRow.of("row.no_other_response", "prompt")
    return compare(row, read_prompt(row), answers, SPAN)


def read_completion(row: Row) -> CompletionShape:
    """Return the response."""
    return CompletionShape(read_prompt(row), _response(row, row))


def _rated(row: Row, part: Row) -> Rated:
    if part.get("prompt") != row.peek("prompt"):
        raise BadRow.of("row.responses_prompts", "prompt")
    if not row.judged:
        return Rated(_response(row, part))
    rating = read_number(part, CRITERIA[0])
    if rating is None:
        for name in CRITERIA:
            part.leave(name)
        return UNRATED
    ratings = {name: number for name in CRITERIA if (number := read_number(part, name)) is not None}
    return Rated(_response(row, part), None, rating, ratings)


def _response(row: Row, part: Row) -> str:
    text = check_text(part.get("response"), "response", blank=True)
    note_marks(row, text, "response")
    return text
