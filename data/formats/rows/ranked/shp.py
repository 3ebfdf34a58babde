# SPDX-License-Identifier: Apache-2.0
"""SHP: a post in a forum (`history`), two comments, their votes (`score_A`, `score_B`), and `labels` (1: A is better).

The votes are counts, so the span of the margin is their sum.
"""

from __future__ import annotations

from data.formats.rows.fields import BadRow, Row, read_flag, read_number, read_text
from data.formats.rows.ranked.grading import Rated, compare
from data.formats.shapes import PairShape, PromptShape

NAME = "shp"
NEEDS = (frozenset({"history", "human_ref_A", "human_ref_B"}),)
COLUMNS = {
    "history": "prompt",
    **dict.fromkeys(("human_ref_A", "human_ref_B"), "answer"),
    **dict.fromkeys(("score_A", "score_B"), "votes"),
    "labels": "vote",
}
SIDES = ("A", "B")


def read_prompt(row: Row) -> PromptShape:
    """Return the post."""
    return PromptShape(read_text(row, "history"))


def read_preference(row: Row) -> list[PairShape]:
    """Return the comparison of both comments. Raises BadRow if the label contradicts the votes."""
    texts = [read_text(row, f"human_ref_{side}") for side in SIDES]
    if not row.judged:
        return compare(row, read_prompt(row), [Rated(text) for text in texts])
    scores = [read_number(row, f"score_{side}") for side in SIDES]
    row.leave("score_ratio")  # follows from both scores
    better = read_flag(row, "labels")
    first, second = scores
    if first is None or second is None:
        ratings, span = _label_ratings(better), None
    else:
        if better is not None and (first < second) == better and first != second:
            raise BadRow.of("row.labels_score", "labels", better="A" if better else "B")
        ratings, span = (first, second), (first + second if min(first, second) > 0 else None)
    answers = [Rated(text, None, rating) for text, rating in zip(texts, ratings, strict=True)]
    return compare(row, read_prompt(row), answers, span)


def _label_ratings(better: bool | None) -> tuple[float | None, float | None]:
    return (None, None) if better is None else (float(better), float(not better))
