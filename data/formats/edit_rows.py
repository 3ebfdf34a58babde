# SPDX-License-Identifier: Apache-2.0
"""Edits in preference rows: an export writes a comparison and what its edit beats, and an import joins them again.

The rows of an edit follow one another and share `said_in`, the comparison. `comparison` is the same with `:1` for the
edit over the edited answer, and with `:2` for the edit over the other one. A comparison that found two bad answers has
no row; in formats with `chosen` and `rejected` a tie has none either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from data.formats.grouping import first_row
from data.formats.rows import all_columns
from data.formats.shapes import Answer, Edit, PairShape, PreferenceShape, Vote
from data.formats.tracked_row import TrackedRow, remark
from data.tables.verdicts import EDIT_MARGIN

OVER_EDITED, OVER_OTHER = ":1", ":2"
FLATTENED = remark("edit_flattened")
UNSAID = remark("edit_unsaid")

Statement = tuple[Answer, Answer, int]
"""A better and a worse answer, and the margin."""


def is_edit(row: TrackedRow) -> bool:
    """Return whether an exported row says what an edit beats."""
    return first_row(row).peek("kind") == "edit"


def join_rows(rows: Sequence[TrackedRow], shapes: Sequence[object]) -> PairShape | None:
    """Return the comparison with its edit that these rows are together.

    None if rows are missing, or say something else than a comparison and its edit do.
    """
    parts = _parts(rows, shapes)
    said = parts.pop("", None)
    statements = {end: _state(pair) for end, pair in parts.items()}
    if (first := statements.get(OVER_EDITED)) is None:
        return None
    better, edited, _ = first
    if said is None:
        other = statements.get(OVER_OTHER)
        if other is None:
            return None
        pair = parts[OVER_EDITED]
        bad = Vote(None, labeler=pair.votes[0].labeler, both_bad=True)
        said = replace(pair, answers=(edited, other[1]), votes=(bad,))
    if edited not in said.answers or better[0] in dict(said.answers):
        return None
    edit = Edit(said.answers.index(edited), better)
    if statements != _expected(said, edit):
        return None
    for row in rows:
        row.get("kind")
    if said.votes[0].both_bad and rows[0].form != all_columns.NAME:
        rows[0].note(UNSAID)
    return replace(said, edit=edit)


def _parts(rows: Sequence[TrackedRow], shapes: Sequence[object]) -> dict[str, PairShape]:
    """Return the pair of each row by the end of its `comparison`; empty unless of one labeler and prompt."""
    parts: dict[str, PairShape] = {}
    for row, shape in zip(rows, shapes, strict=False):
        pair, first = shape.pair if isinstance(shape, PreferenceShape) else shape, first_row(row)
        end = str(first.peek("comparison")).removeprefix(str(first.peek("said_in")))
        if isinstance(pair, PairShape) and len(pair.votes) == 1 and is_edit(row) == bool(end):
            parts[end] = pair
    about = [(pair.prompt, pair.source, pair.votes[0].labeler) for pair in parts.values()]
    whole = len(rows) == len(shapes) == len(parts) and about.count(about[0]) == len(about)
    return parts if whole else {}


def _state(pair: PairShape) -> Statement | None:
    """Return what a pair with one vote says; None for a tie."""
    vote = pair.votes[0]
    return None if vote.winner is None else (pair.answers[vote.winner], pair.answers[1 - vote.winner], vote.margin)


def _expected(said: PairShape, edit: Edit) -> dict[str, Statement | None]:
    """Return what the edit of a comparison says, as `data.views.preference_sql` writes it."""
    vote, side = said.votes[0], edit.side
    statements: dict[str, Statement | None] = {OVER_EDITED: (edit.answer, said.answers[side], EDIT_MARGIN)}
    if vote.winner in (None, side):
        margin = EDIT_MARGIN if vote.winner is None else vote.margin
        statements[OVER_OTHER] = (edit.answer, said.answers[1 - side], margin)
    return statements
