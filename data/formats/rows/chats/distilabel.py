# SPDX-License-Identifier: Apache-2.0
"""distilabel's rows: `input` or `instruction`, `generations` with `generation_models`, and often `ratings`.

With `chosen` and `rejected` the row is a preference. Otherwise each two generations with ratings are a comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from data.formats.rows.conversation import read_answer, read_prompt_with_context
from data.formats.rows.fields import BadRow, Row, check_text, read_nested, read_number
from data.formats.rows.preference_metadata import make_preference
from data.formats.shapes import CompletionShape, PairShape, PreferenceShape, PromptShape, Vote
from data.formats.tracked_row import TrackedRow, is_blank

NAME = "distilabel"
NEEDS = (
    *(frozenset({key, "generations"}) for key in ("input", "instruction")),
    *(frozenset({key, "generations", "generation_models"}) for key in ("input", "instruction")),
    frozenset({"input", "chosen", "rejected"}),
    *(frozenset({key, "generations", "chosen", "rejected"}) for key in ("input", "instruction")),
)
COLUMNS = {
    "input": "prompt",
    "instruction": "prompt",
    "generations": "answers",
    "generation_models": "models",
    "rating": "ratings",
    "ratings": "ratings",
    "chosen": "better answer",
    "rejected": "worse answer",
}
RATINGS = ("ratings", "rating")


def fits(row: Mapping[str, Any]) -> bool:
    """Return whether the answers are those to `input` or `instruction`."""
    return "question" not in row and "prompt" not in row and not ({"instruction", "input"} <= row.keys())


def read_prompt(row: Row) -> PromptShape:
    """Return the input after its system message."""
    return read_prompt_with_context(row, "instruction" if "instruction" in row else "input")


def read_preference(row: Row) -> PreferenceShape | PairShape | list[PairShape]:
    """Return the chosen answer over the rejected one, or the comparisons that the ratings make."""
    prompt, ratings = read_prompt(row), [] if not row.judged else _ratings(row)
    if {"chosen", "rejected"} <= row.names:
        chosen, rejected = (read_answer(row, key, prompt, blank=True) for key in ("chosen", "rejected"))
        shape = make_preference(row, prompt, chosen, rejected)
        if not row.judged or not _rated_equal(row, ratings, chosen, rejected):
            return shape
        return PairShape(prompt, ((chosen, None), (rejected, None)), (Vote(None),))
    answers = _generations(row)
    if ratings and len(ratings) != len(answers):
        raise BadRow.of("row.generations_ratings", "ratings", generations=len(answers), ratings=len(ratings))
    pairs = []
    for first, second in combinations(range(len(answers)), 2):
        votes = _votes(ratings[first], ratings[second]) if ratings else ()
        if answers[first][0] != answers[second][0] and (votes or not ratings or not row.judged):
            pairs.append(PairShape(prompt, (answers[first], answers[second]), votes))
    if not pairs:
        raise BadRow.of("row.generations_unrated", "generations")
    return pairs


def read_completion(row: Row) -> list[CompletionShape]:
    """Return each generation as a completion of its model."""
    prompt = read_prompt(row)
    return [CompletionShape(prompt, text, model) for text, model in _generations(row)]


def _rated_equal(row: Row, ratings: list[float | None], chosen: str, rejected: str) -> bool:
    """Return whether the ratings call neither answer better. Raises BadRow if they call the rejected one better."""
    score = read_number(row, "chosen_score")
    if score is not None and ratings and score not in ratings:
        raise BadRow.of("row.chosen_score", "chosen_score", score=score)
    texts = [text for text, _ in _generations(TrackedRow(row.values_by_name))]  # compared, and not read
    if len(texts) != len(ratings) or chosen not in texts or rejected not in texts:
        return len(ratings) == 2 and ratings[0] == ratings[1]
    better, worse = ratings[texts.index(chosen)], ratings[texts.index(rejected)]
    if better is not None and worse is not None and better < worse:
        raise BadRow.of("row.lower_rating", "rating", chosen=better, rejected=worse)
    return better == worse and better is not None


def _votes(first: float | None, second: float | None) -> tuple[Vote, ...]:
    if first is None or second is None:
        return ()
    return (Vote(None if first == second else int(second > first)),)


def _generations(row: Row) -> list[tuple[str, str | None]]:
    texts, models = (_list(row, key) for key in ("generations", "generation_models"))
    if models and len(models) != len(texts):
        raise BadRow.of("row.generations_models", "generation_models", generations=len(texts), models=len(models))
    names: list[str | None] = [check_text(model, "generation_models") for model in models] or [None] * len(texts)
    answers = [check_text(text, f"generations[{number}]", blank=True) for number, text in enumerate(texts)]
    return list(zip(answers, names, strict=True))


def _ratings(row: Row) -> list[float | None]:
    key = next((key for key in RATINGS if not is_blank(row.peek(key))), RATINGS[0])
    return [read_number(TrackedRow({key: item}), key) for item in _list(row, key)]


def _list(row: Row, key: str) -> list:
    value = [] if is_blank(row.get(key)) else read_nested(row, key)
    if not isinstance(value, list):
        raise BadRow.of("row.list", key)
    return value
