# SPDX-License-Identifier: Apache-2.0
"""Rows that are damaged at any place raise BadRow and nothing else, and no text of a good row is lost unnoticed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.formats import read_row
from data.formats.rows.fields import BadRow
from data.formats.tracked_row import TrackedRow
from tests.support.data.chat_rows import INSTRUCTIONS, PREFERENCES

KINDS = ("prompts", "instructions", "preferences", "pairs", "completions")
ROWS = [(form, row) for rows in (INSTRUCTIONS, PREFERENCES) for form, row in rows.values()]
WORDS = (
    "",
    " ",
    "[",
    "{}",
    "tie",
    "left",
    "tool",
    "function_call",
    '{"name": "f"}',
    "\x00",
    "\ud800",
    "<|im_start|>user\n",
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 99), st.floats(), st.sampled_from(WORDS), st.text(max_size=5)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("role", "content", "from", "value", "text", "id", "label", "tool_calls")),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the path of every value inside a row."""
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*path, key))


def put(row: dict, path: tuple, value: Any) -> dict:
    """Return a copy of the row with another value at a place."""
    row = inside = copy.deepcopy(row)
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return row


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_row_damaged_at_any_place_is_read_or_refused(data):
    form, row = data.draw(st.sampled_from(ROWS))
    for _ in range(data.draw(st.integers(1, 2))):
        row = put(row, data.draw(st.sampled_from([path for path in places(row) if path])), data.draw(VALUES))
    for asked in ("auto", form):
        for what in KINDS:
            with suppress(BadRow):
                read_row(TrackedRow(row), what, asked)


@pytest.mark.parametrize("what", ["instructions", "preferences"])
def test_a_key_that_no_reader_knows_is_never_lost_unnoticed(what):
    for _, row in (INSTRUCTIONS if what == "instructions" else PREFERENCES).values():
        for path in places(row):
            value = row
            for key in path:
                value = value[key]
            if isinstance(value, dict) and value.get("type") != "text":
                extended = TrackedRow(put(row, (*path, "extra"), "seldom seen"))
                try:
                    shapes = read_row(extended, what)
                except BadRow:
                    continue
                assert "seldom seen" in repr(shapes) or "seldom seen" in repr(dict(extended.unread())), path
