# SPDX-License-Identifier: Apache-2.0
"""Marks of one answer: `label`, or LLaMA-Factory's `kto_tag`. A good answer is a demonstration, a bad one is none."""

from __future__ import annotations

from typing import NoReturn

from data.formats.rows import kto
from data.formats.rows.fields import BadRow, Row, read_flag

MARKS = ("label", "kto_tag")


def find_mark(row: Row) -> str | None:
    """Return the column that marks the answer; None without one."""
    return next((key for key in MARKS if key in row), None)


def check_mark(row: Row) -> None:
    """Raise BadRow for a row whose mark does not call the answer a good one. A row without a mark passes."""
    mark = find_mark(row)
    if mark and not read_flag(row, mark):
        raise BadRow.of("row.answer_not_good", mark)


def refuse_marked(row: Row) -> NoReturn:
    """Raise BadRow: a row with one answer compares nothing, and its mark is about that answer."""
    if find_mark(row):
        kto.read_preference(row)
    raise BadRow.of("row.one_answer")
