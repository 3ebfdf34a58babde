# SPDX-License-Identifier: Apache-2.0
"""Rows that belong together: some formats hold the answers to one prompt, or the messages of one tree, in several rows.

`group_by` of a format names the column that such rows share. Rows that follow one another and are equal in it become
one row, `{column: value, "rows": [...]}`, on the line of the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from data.formats import registry
from data.formats.tracked_row import TrackedRow, is_blank

KINDS = ("preferences", "pairs")
"""Kinds of rows that need several answers."""
ROWS = "rows"
MOST = 1000
"""Rows of one group; what follows is a group of its own, so memory does not grow with the file."""


def group_rows(
    rows: Iterable[tuple[int, dict, str]], what: str, form: str = registry.AUTO
) -> Iterator[tuple[int, dict, str]]:
    """Yield (line, row, problem), with rows that belong together as one."""
    if what not in KINDS:
        yield from rows
        return
    first, key, group = 0, ("", None), list[dict]()
    for line, row, problem in rows:
        column = "" if problem else _column(row, form)
        if group and column and key == (column, row[column]) and len(group) < MOST:
            group.append(row)
            continue
        if group:
            yield first, {key[0]: key[1], ROWS: group}, ""
            group = []
        if column:
            first, key, group = line, (column, row[column]), [row]
        else:
            yield line, row, problem
    if group:
        yield first, {key[0]: key[1], ROWS: group}, ""


def first_row(row: TrackedRow) -> TrackedRow:
    """Return the first of the rows that a row groups, or the row itself."""
    return TrackedRow(row.peek(ROWS)[0]) if is_group(row) else row


def is_group(row: TrackedRow) -> bool:
    """Return whether a row groups rows of the file."""
    group = row.peek(ROWS)
    return isinstance(group, list) and bool(group) and isinstance(group[0], dict)


def _column(row: dict[str, Any], form: str) -> str:
    """Return the column by which the row is grouped; empty if it stands for itself."""
    found = registry.find_format(row) if form == registry.AUTO else registry.FORMATS.get(form)
    if found is None or ROWS in row or not hasattr(found.module, "group_by"):
        return ""
    column = found.module.group_by(row)
    return "" if is_blank(row.get(column)) else column
