# SPDX-License-Identifier: Apache-2.0
"""Rankings in preference rows: an export writes a row for every two answers, and an import joins them again.

Rows of one ranking follow one another and share `said_in`. Formats with `chosen` and `rejected` have no row for a tie.
In them, two answers that no row orders are tied. `weight` tells how many answers there are, so a ranking that lacks one
is never joined.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

from data.formats.grouping import first_row
from data.formats.rows import all_columns
from data.formats.rows.fields import read_number
from data.formats.shapes import PairShape, PreferenceShape, RankingShape
from data.formats.tracked_row import TrackedRow, remark
from data.tables.rankings import FEWEST, MOST
from data.tables.verdicts import RANKING_MARGIN

MOST_ROWS = math.comb(MOST, 2)
NAMES = ("kind", "said_in")
FLATTENED = remark("ranking_flattened")
TIED = remark("ranking_tied")


def join_rows(rows: Sequence[TrackedRow], shapes: Sequence[object]) -> RankingShape | None:
    """Return the ranking that these rows are together, and note its ties without rows.

    None if rows are missing, say different things, or are of more answers than a ranking has.
    """
    given = [shape.pair if isinstance(shape, PreferenceShape) else shape for shape in shapes]
    pairs = [shape for shape in given if isinstance(shape, PairShape)]
    if len(pairs) != len(rows):
        return None
    weights = {read_number(first_row(row), "weight") for row in rows}
    ranking = join_pairs(pairs, weights, ties=rows[0].form == all_columns.NAME)
    if ranking is None:
        return None
    for row in rows:
        for name in NAMES:
            row.get(name)
    if len(rows) < math.comb(len(ranking.answers), 2):
        rows[0].note(TIED)
    return ranking


def join_pairs(pairs: Sequence[PairShape], weights: set[float | None], *, ties: bool) -> RankingShape | None:
    """Return the ranking of pairs with these weights, or None. `ties`: the format has rows for ties."""
    first = pairs[0]
    models: dict[str, str | None] = {}
    winners: dict[frozenset[str], str | None] = {}
    for pair in pairs:
        vote = pair.votes[0]
        about = (pair.prompt, pair.source, vote.labeler)
        if about != (first.prompt, first.source, first.votes[0].labeler) or len(pair.votes) > 1:
            return None
        if vote.winner is not None and vote.margin != RANKING_MARGIN:
            return None
        if any(models.setdefault(text, model) != model for text, model in pair.answers):
            return None
        winners[frozenset(text for text, _ in pair.answers)] = (
            None if vote.winner is None else pair.answers[vote.winner][0]
        )
    weight = next(iter(weights)) if len(weights) == 1 else None
    if len(winners) < len(pairs) or not FEWEST <= len(models) <= MOST or weight is None:
        return None
    places = _places(list(models), winners, ties=ties or None in winners.values())
    if places is None or not math.isclose(weight, 2 / len(models), rel_tol=1e-6):
        return None
    return RankingShape(first.prompt, tuple(models.items()), tuple(places), first.votes[0].labeler, first.source)


def _places(texts: Sequence[str], winners: dict[frozenset[str], str | None], *, ties: bool) -> list[int] | None:
    """Return the place of each text, 1 the best; None if the winners are in no such order.

    With `ties`, every two texts need an entry in `winners`; without it, two texts without one are tied.
    """
    beaten = Counter(text for pair, winner in winners.items() if winner is not None for text in pair - {winner})
    levels = sorted({beaten[text] for text in texts})
    places = {text: levels.index(beaten[text]) + 1 for text in texts}
    for pair in combinations(texts, 2):
        expected = None if places[pair[0]] == places[pair[1]] else min(pair, key=places.__getitem__)
        key = frozenset(pair)
        if (winners[key] != expected) if key in winners else (ties or expected is not None):
            return None
    return list(places.values())
