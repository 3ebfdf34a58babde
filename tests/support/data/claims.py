# SPDX-License-Identifier: Apache-2.0
"""Claims of readers: the columns that they list as read, and rows with another value at one place."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from data.formats import read_row
from data.formats.grouping import group_rows
from data.formats.registry import FORMATS
from data.formats.rows.fields import BadRow
from data.formats.shapes import PairShape
from data.formats.tracked_row import TrackedRow
from tests.support.data.published_rows import published_rows
from tests.support.data.row_mutations import follow, places

WORDS = ("planted", "tie", "simulated", "swapped", "model_a", "left", "aborted_low_grade", "draft", "1")
NUMBERS = (0, 1, 2, 3, -1, 0.5, 10)


def read(row: dict, what: str, form: str) -> tuple[str, set[str]]:
    """Return what the reader makes of a row, and the columns that it claims. Votes of pairs are not stored."""
    tracked = TrackedRow(copy.deepcopy(row))
    try:
        shapes = read_row(tracked, what, form)
    except BadRow as bad:
        return f"refused: {bad.reason}", set()
    if what == "pairs":
        shapes = [replace(shape, votes=()) for shape in shapes_of(shapes) if isinstance(shape, PairShape)]
    claimed = {name for name, _ in tracked.read() if not FORMATS[form].role(name).endswith("not stored")}
    return repr((shapes, tracked.notes)), claimed


def shapes_of(shapes: Any) -> list:
    return shapes if isinstance(shapes, list) else [shapes]


def changed(row: dict, within: tuple) -> Iterator[dict]:
    """Yield the row with another value of the same type at each place within a path."""
    for path in places(row):
        if path[: len(within)] != within:
            continue
        value = follow(row, path)
        if isinstance(value, str):
            others: tuple = (f"{value} more", *WORDS)
        elif isinstance(value, bool):
            others = (not value,)
        elif isinstance(value, int | float):
            others = (value + 1, -value, *NUMBERS)
        else:
            continue
        for other in others:
            copied = copy.deepcopy(row)
            follow(copied, path[:-1])[path[-1]] = other
            yield copied


@cache
def rows_of(form: str, what: str) -> list[dict]:
    """Return the published rows of a format that hold such rows."""
    plain = json.loads(json.dumps(published_rows()[form]))
    groups = group_rows(((number, row, "") for number, row in enumerate(plain)), what, form)
    return [row for _, row, _ in groups if not read(row, what, form)[0].startswith("refused")]
