# SPDX-License-Identifier: Apache-2.0
"""WebGPT comparisons: a question, two answers with the quotes that they rest on, and two scores from -1 to 1.

The scores sum to 0 and say how strongly an answer is preferred; both 0 is a tie. Quotes are not read.
"""

from __future__ import annotations

from data.formats.rows.fields import Row, check_text, read_field, read_nested, read_number, read_text
from data.formats.rows.ranked.grading import Rated, compare
from data.formats.rows.ranked.lists import read_object
from data.formats.shapes import PairShape, PromptShape

NAME = "webgpt"
NEEDS = (frozenset({"question", "answer_0", "answer_1"}),)
COLUMNS = {
    "question": "prompt",
    **dict.fromkeys(("answer_0", "answer_1"), "answer"),
    **dict.fromkeys(("score_0", "score_1"), "rating"),
}
SPAN = 2


def read_prompt(row: Row) -> PromptShape:
    """Return the text of the question."""
    if isinstance(row.peek("question"), dict) or isinstance(read_nested(row, "question"), dict):
        return PromptShape(read_text(read_object(row, "question", "'full_text'"), "full_text"))
    return PromptShape(read_text(row, "question"))


def read_preference(row: Row) -> list[PairShape]:
    """Return the comparison of both answers."""
    keys = ("answer_0", "answer_1")
    texts = [check_text(read_field(row, key), key, blank=True) for key in keys]
    ratings = [None if not row.judged else read_number(row, f"score_{number}") for number in range(2)]
    answers = [Rated(text, None, rating) for text, rating in zip(texts, ratings, strict=True)]
    return compare(row, read_prompt(row), answers, SPAN)
