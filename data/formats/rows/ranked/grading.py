# SPDX-License-Identifier: Apache-2.0
"""The rule that turns ratings and ranks of several answers into graded comparisons of two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import ceil

from data.formats.rows.fields import BadRow, Row
from data.formats.rows.preference_metadata import check_learned, read_source
from data.formats.shapes import CLEARLY, MARGINS, PairShape, PromptShape, Vote
from data.formats.tracked_row import remark

MOST = 9
"""Most answers that are all compared with each other. Of more, each is compared with the next eight in their order."""


@dataclass(frozen=True, slots=True)
class Rated:
    """An answer with its rating, None if it has none. The higher rating is the better one.

    `aspects` holds its ratings by criterion.
    """

    text: str
    model: str | None = None
    rating: float | None = None
    aspects: Mapping[str, float] = field(default_factory=dict)


UNRATED = Rated("")
"""An answer without a rating, which `compare` counts and leaves out."""


def grade(difference: float, span: float | None) -> int:
    """Return the margin of a positive difference of two ratings on a scale that spans `span`.

    The first third of the span is slightly better (1), the second clearly (2), the last significantly (3). Ranks and
    ratings of an unknown scale (`span` None) say nothing about the distance, so the margin is 2.
    """
    if not span:
        return CLEARLY
    share = min(difference / span, 1)
    return max(ceil(round(len(MARGINS) * share, 6)), MARGINS[0])


def compare(
    row: Row, prompt: PromptShape, answers: Sequence[Rated], span: float | None = None, labeler: str = ""
) -> list[PairShape]:
    """Return a comparison of every two rated answers; for pairs every two answers, without a vote.

    Equal ratings are a tie. Raises BadRow for fewer than two different answers.
    """
    ranked = answers if not row.judged else _rated(row, answers)
    if len(ranked) > MOST:
        row.note(remark("many_answers", most=MOST, next=MOST - 1))
    couples = [
        (first, second)
        for (place, first), (later, second) in combinations(enumerate(ranked), 2)
        if len(ranked) <= MOST or later - place < MOST
    ]
    return compare_each(row, prompt, couples, span, labeler)


def compare_each(
    row: Row,
    prompt: PromptShape,
    couples: Iterable[tuple[Rated, Rated]],
    span: float | None = None,
    labeler: str = "",
) -> list[PairShape]:
    """Return a comparison of each two answers. Two answers of the same text are counted and left out.

    Raises BadRow if none is left.
    """
    judged, source = row.judged, read_source(row)
    if judged:
        check_learned(row)
    shapes = []
    for first, second in couples:
        if first.text == second.text:
            row.note(remark("same_text"))
            continue
        votes = (_vote(first, second, span, labeler),) if judged else ()
        shapes.append(PairShape(prompt, ((first.text, first.model), (second.text, second.model)), votes, source))
    if not shapes:
        raise BadRow.of("row.nothing_to_compare")
    return shapes


def winner_of(first: float, second: float) -> int | None:
    """Return the place of the higher number, 0 or 1; None for a tie."""
    return None if first == second else int(second > first)


def _rated(row: Row, answers: Sequence[Rated]) -> list[Rated]:
    rated = [answer for answer in answers if answer.rating is not None]
    if len(rated) < 2:
        raise BadRow.of("row.unrated", rated=len(rated), answers=len(answers))
    if len(rated) < len(answers):
        row.note(remark("unrated"))
    return sorted(rated, key=lambda answer: -(answer.rating or 0)) if len(rated) > MOST else rated


def _vote(first: Rated, second: Rated, span: float | None, labeler: str) -> Vote:
    ratings = (first.rating or 0, second.rating or 0)
    winner = winner_of(*ratings)
    margin = CLEARLY if winner is None else grade(abs(ratings[0] - ratings[1]), span)
    aspects = tuple(
        (name, winner_of(value, second.aspects[name]))
        for name, value in first.aspects.items()
        if name in second.aspects
    )
    return Vote(winner, margin, labeler, aspects=aspects)
