# SPDX-License-Identifier: Apache-2.0
"""UltraFeedback: an instruction and completions of several models, each rated overall and by four criteria.

The overall score is 1 to 10, or the mean of the criteria (1 to 5) in rows without it. Criteria become aspects.
"""

from __future__ import annotations

from data.formats.rows import alpaca
from data.formats.rows.conversation import note_marks
from data.formats.rows.fields import Row, check_text, read_number, read_optional_text
from data.formats.rows.ranked.grading import UNRATED, Rated, compare
from data.formats.rows.ranked.lists import read_object, read_objects
from data.formats.shapes import CompletionShape, PairShape, PromptShape
from data.formats.tracked_row import is_blank
from data.texts import Translatable, join_texts

NAME = "ultrafeedback"
NEEDS = (frozenset({"instruction", "completions"}),)
COLUMNS = {"instruction": "prompt", "completions": "answers, ratings and models"}
CONTENT = "preferences"
OVERALL, MEAN = "overall_score", "fine-grained_score"
SPANS = {OVERALL: 9, MEAN: 4}
CRITERIA = Translatable.of("row.criteria")
KEYS = join_texts("and", ("'response'", "'model'"))
NO_RATING = ("N/A", "", None)


def read_prompt(row: Row) -> PromptShape:
    """Return the instruction."""
    return alpaca.read_only_prompt(row)


def read_preference(row: Row) -> list[PairShape]:
    """Return a comparison of every two rated completions; for pairs every two completions."""
    parts = read_objects(row, "completions", KEYS)
    if not row.judged:
        return compare(row, read_prompt(row), [Rated(*_answer(row, part)) for part in parts])
    key = next((key for key in SPANS if any(read_number(part, key) is not None for part in parts)), OVERALL)
    answers = [_rated(row, part, key) for part in parts]
    return compare(row, read_prompt(row), answers, SPANS[key])


def read_completion(row: Row) -> list[CompletionShape]:
    """Return every completion with its model."""
    prompt = read_prompt(row)
    return [CompletionShape(prompt, *_answer(row, part)) for part in read_objects(row, "completions", KEYS)]


def _answer(row: Row, part: Row) -> tuple[str, str | None]:
    text = check_text(part.get("response"), "response", blank=True)
    note_marks(row, text, "response")
    return text, read_optional_text(part, "model")


def _rated(row: Row, part: Row, key: str) -> Rated:
    if key == OVERALL:
        part.leave(MEAN)  # follows from the criteria
    rating = read_number(part, key)
    return UNRATED if rating is None else Rated(*_answer(row, part), rating, _aspects(part))


def _aspects(part: Row) -> dict[str, float]:
    """Return the ratings by criterion. A criterion without a number is not rated."""
    if is_blank(part.peek("annotations")):
        return {}
    annotations = read_object(part, "annotations", CRITERIA)
    ratings = {}
    for name in annotations:
        if not isinstance(annotations.peek(name), dict):
            continue  # not a criterion
        criterion = annotations.part(annotations[name], name)
        rating = None if criterion.get("Rating") in NO_RATING else read_number(criterion, "Rating")
        if rating is not None:
            ratings[check_text(name, "annotations")] = rating
    return ratings
