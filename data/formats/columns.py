# SPDX-License-Identifier: Apache-2.0
"""The account of a file's columns: each was read as something, or not read. Memory does not grow with the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypedDict

from data.formats.grouping import ROWS, is_group
from data.formats.registry import FORMATS
from data.formats.tracked_row import TrackedRow
from data.texts import FALLBACK, TEXTS, say

MOST = 200
"""Most columns with a count of their own; a file with more has made up names."""
OTHERS = "(other columns)"
EXAMPLE = 60  # characters
INDEX = re.compile(r"\[\d+\]")
JOINED = f"{ROWS}."
"""The path of what a reader makes of joined rows together."""
ROW = re.compile(rf"^{ROWS}(\[\d+\])?\.")


ROLES = {text: key for key, text in TEXTS[FALLBACK].items() if key.startswith("role.")}
"""Text key by the use of the columns."""


class Column(TypedDict):
    """A column: what it was read as (None: not read), in how many rows it held a value, and for unread ones a value."""

    column: str
    read_as: str | None
    rows: int
    example: str | None


class Columns:
    """Counts of columns, and of the remarks that readers made on rows."""

    def __init__(self) -> None:
        self._columns: dict[tuple[str, bool], Column] = {}
        self.notes: Counter[str] = Counter()

    def add(self, row: TrackedRow) -> None:
        """Count the columns of a row that was read."""
        for name in _read_columns(row):
            source = row.sources.get(name, name)
            column = self._columns.get((source, True))
            if column is None:
                column = self._add(source, FORMATS[row.form].role(name))
            column["rows"] += 1
        for path, value in _unread_columns(row):
            name = INDEX.sub("[]", path) if "[" in path else path
            column = self._columns.get((name, False))
            if column is None:
                column = self._add(name, None, str(value)[:EXAMPLE])
            column["rows"] += 1
        if row.notes:
            self.notes.update(set(row.notes))

    def report(self) -> list[Column]:
        """Return the columns, those that were read first, each in the order of the file."""
        return sorted(self._columns.values(), key=lambda column: column["read_as"] is None)

    def _add(self, name: str, read_as: str | None, example: str | None = None) -> Column:
        if len(self._columns) >= MOST:
            name, example = OTHERS, None
        empty: Column = {"column": name, "read_as": read_as, "rows": 0, "example": example}
        return self._columns.setdefault((name, read_as is not None), empty)


def _read_columns(row: TrackedRow) -> Iterator[str]:
    """Yield the columns that were read, those of joined rows once for each row of the file."""
    names = [name for name, _ in row.read()]
    if not is_group(row):
        yield from names
        return
    shared = {*names} - {ROWS}
    unread = {path.removeprefix(JOINED) for path, _ in row.unread() if path.startswith(JOINED)} - shared
    for part in row.parts:
        if part.path != JOINED:
            read = ({name for name, _ in part.read()} | shared) - unread
            yield from (name for name in part.names if name in read)


def _unread_columns(row: TrackedRow) -> Iterator[tuple[str, Any]]:
    """Yield the columns that were not read, those of joined rows under their names in the file."""
    for path, value in row.unread():
        if not is_group(row):
            yield path, value
        elif path not in row:  # the rows hold what they share, too
            yield ROW.sub("", path), value


def describe_columns(columns: list[Column], language: str = FALLBACK) -> list[str]:
    """Return lines for people: the columns that were read, and each one that was not."""
    read = [f"{column['column']} ({_role(column['read_as'], language)})" for column in columns if column["read_as"]]
    lines = [say(language, "account.read", columns=", ".join(read))] if read else []
    for column in columns:
        if not column["read_as"]:
            key = "account.unread_example" if column["example"] else "account.unread"
            values = {"column": column["column"], "n": column["rows"], "example": column["example"]}
            lines.append(say(language, key, **values))
    return lines


def _role(role: str, language: str) -> str:
    """Return what a column was read as in a language; readers name it in English."""
    return say(language, ROLES[role]) if role in ROLES else role
