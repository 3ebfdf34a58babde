# SPDX-License-Identifier: Apache-2.0
"""Rows that know which of their columns were read. No reader can drop a column unnoticed."""

from __future__ import annotations

from collections.abc import Iterator, KeysView, Mapping
from functools import lru_cache
from typing import Any

from data.texts import Translatable


@lru_cache(maxsize=1000)
def remark(key: str, /, **values: str | int) -> Translatable:
    """Return a remark about rows. Many rows have the same, which is made once."""
    return Translatable.of(f"remark.{key}", **values)


class TrackedRow(Mapping[str, Any]):
    """The columns of one row. `row[key]` and `row.get(key)` mark a column as read; `key in row` and `peek` do not.

    `part` tracks the keys of a nested object. `note` records something that the look counts, such as a derived prompt.
    """

    __slots__ = ("_parts", "_path", "_read", "_values", "form", "left", "notes", "sources", "what")

    def __init__(self, values: Mapping[str, Any], path: str = "", *, sources: Mapping[str, str] | None = None) -> None:
        self._values, self._path = values, path
        self._read: set[str] = set()
        self._parts: list[TrackedRow] = []
        self.form = ""
        """The format in which the row was read."""
        self.what = ""
        """The kind of row that is wanted, such as pairs, whose verdicts nobody asks for."""
        self.notes: list[str] = []
        self.left: set[str] = set()
        """Paths of columns that were left out on purpose; see `leave`."""
        self.sources: Mapping[str, str] = sources or {}
        """Name of a column here -> the column of the file that it was mapped from."""

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 (the values of columns have many types)
        self._read.add(key)
        return self._values[key]

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 (the values of columns have many types)
        """Return the column's value, or the default if the row lacks it."""
        self._read.add(key)
        return self._values.get(key, default)

    def peek(self, key: str) -> Any:  # noqa: ANN401 (the values of columns have many types)
        """Return the column's value, or None, without marking it as read."""
        return self._values.get(key)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def names(self) -> KeysView[str]:
        """Return the names of the columns; taking them reads none."""
        return self._values.keys()

    @property
    def values_by_name(self) -> Mapping[str, Any]:
        """Return the plain columns; looking at them reads none."""
        return self._values

    @property
    def path(self) -> str:
        """Return the path that stands before the columns, such as 'messages[1].'; empty for the row itself."""
        return self._path

    def part(self, value: Mapping[str, Any], path: str) -> TrackedRow:
        """Return a nested object of this row; `path` names it inside the row, as in 'messages[1]'."""
        part = TrackedRow(value, f"{self._path}{path}.")
        part.form, part.what, part.notes, part.left = self.form, self.what, self.notes, self.left
        self._parts.append(part)
        return part

    @property
    def parts(self) -> list[TrackedRow]:
        """Return the nested objects that a reader took, in their order."""
        return self._parts

    def note(self, text: str) -> None:
        """Record a remark about this row, as `remark` makes it. Equal remarks are counted over the file."""
        self.notes.append(text)

    @property
    def judged(self) -> bool:
        """Return whether verdicts of the file matter. Pairs and completions wait for those of the labelers."""
        return self.what not in ("pairs", "completions")

    def leave(self, key: str) -> None:
        """Let a column stay unread that changes the meaning of other rows, but not of this one. It refuses no row."""
        self.left.add(f"{self._path}{key}")

    def unread(self) -> Iterator[tuple[str, Any]]:
        """Yield (path, value) of each column that holds a value and was not read, nested ones too."""
        for key, value in self._values.items():
            if key not in self._read and not is_blank(value):
                yield f"{self._path}{key}", value
        for part in self._parts:
            yield from part.unread()

    def read(self) -> Iterator[tuple[str, Any]]:
        """Yield (path, value) of each column of the row itself that was read and holds a value."""
        for key, value in self._values.items():
            if key in self._read and not is_blank(value):
                yield key, value


def is_blank(value: object) -> bool:
    """Return whether a value says nothing: null, an empty text, list or object."""
    return value is None or (not value and isinstance(value, str | list | dict))
