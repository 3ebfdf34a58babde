# SPDX-License-Identifier: Apache-2.0
"""The rule from ratings to graded comparisons, and rows that no reader may crash on."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator

import pytest

from data.formats import MEANING, read_row
from data.formats.rows.fields import BadRow
from data.formats.rows.ranked.grading import MOST, grade
from data.formats.tracked_row import TrackedRow
from tests.support.data.ranked_rows import HELPSTEER3, ROWS

STRANGE = (
    None,
    "",
    [],
    {},
    0,
    -1,
    1.5,
    1e308,
    float("nan"),
    True,
    "N/A",
    "[",
    '{"a": 1}',
    ["a", 1],
    [None],
    {"a": []},
    "\x00",
)
WORDS = ("label", "system", "weight", "score", "tools", "rating", "history")


def ranking(size: int, scores: list[float]) -> dict:
    return {"prompt": "Name a bird.", "responses": [f"Bird {number}" for number in range(size)], "scores": scores}


@pytest.mark.parametrize(
    ("difference", "span", "margin"),
    [(1, 9, 1), (3, 9, 1), (4, 9, 2), (6, 9, 2), (7, 9, 3), (9, 9, 3), (1, 4, 1), (2, 4, 2), (3, 4, 3), (50, 4, 3)],
)
def test_a_third_of_the_scale_is_a_step_of_the_margin(difference, span, margin):
    assert grade(difference, span) == margin


def test_a_difference_without_a_scale_is_clearly_better():
    assert grade(0.01, None) == grade(1000, None) == 2


def test_each_of_many_answers_is_compared_with_the_next_eight_in_their_order():
    size = MOST + 3
    row = TrackedRow(ranking(size, [float(number % 5) for number in range(size)]))
    shapes = read_row(row, "preferences")
    assert len(shapes) == sum(min(MOST - 1, size - 1 - place) for place in range(size))
    assert {text for shape in shapes for text, _ in shape.answers} == {f"Bird {number}" for number in range(size)}
    assert row.notes == ["more than 9 answers: each is compared with the next 8 in their order"]


def test_nine_answers_are_compared_every_two():
    assert len(read_row(ranking(MOST, list(range(MOST))), "preferences")) == 36


def test_equal_texts_are_counted_and_left_out():
    row = TrackedRow({"prompt": "Name a bird.", "responses": ["Robin", "Robin", "Cat"], "scores": [1, 1, 0]})
    assert len(read_row(row, "preferences")) == 2
    assert row.notes == ["two answers of the same text are no comparison"]


def places(value: object, path: tuple = ()) -> Iterator[tuple]:
    """Yield the path of each value in a row."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from places(part, (*path, key))


def damaged(row: dict, chance: random.Random) -> dict:
    """Return the row with one or two values replaced, removed, or given a column that changes the meaning."""
    row = copy.deepcopy(row)
    for _ in range(chance.randint(1, 2)):
        path = chance.choice(list(places(row)))
        parent = row
        for key in path[:-1]:
            parent = parent[key]
        action = chance.random()
        if action < 0.7:
            parent[path[-1]] = copy.deepcopy(chance.choice(STRANGE))
        elif action < 0.85:
            del parent[path[-1]]
        elif isinstance(parent, dict):
            parent[chance.choice(WORDS)] = copy.deepcopy(chance.choice(STRANGE))
    return row


@pytest.mark.parametrize("form", [*ROWS, "helpsteer3"])
def test_damaged_rows_are_read_or_refused_and_no_meaning_is_dropped(form):
    chance = random.Random(form)
    for _ in range(400):
        values = damaged(ROWS.get(form, HELPSTEER3), chance)
        for what in ("preferences", "pairs", "prompts", "completions"):
            row = TrackedRow(values)
            try:
                shapes = read_row(row, what, "helpsteer-preference" if form == "helpsteer3" else form)
            except BadRow:
                continue
            assert shapes
            for path in {path for path, _ in row.unread()} - row.left:
                assert not any(pattern.fullmatch(path.rpartition(".")[2]) for pattern in MEANING[what])
