# SPDX-License-Identifier: Apache-2.0
"""CSV: a head line with names, then a row per record; cells may hold line breaks (RFC 4180).

The delimiter is a comma, a tab, a semicolon or a bar, or what a first line such as `sep=;` names.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator

from data.errors import BadInput
from data.formats.values import LONGEST
from data.json_text import parse_json
from data.texts import Translatable

DELIMITERS = ",\t;|"
SEPARATOR = re.compile(r'"?sep=([,;\t|])"?\r?\n', re.IGNORECASE)
"""The line by which Excel learns the delimiter."""
NAME = re.compile(r"[\w#$%@*][^\r\n\t{}\[\]<>|\"]{0,59}")
WHOLE = re.compile(r"-?\d+")
STRUCTURED = re.compile(r"messages|conversations?(_[ab])?|facts|defects|margin|winner_\w+|annotator\d+")
"""Columns whose cells hold lists, objects or numbers as JSON."""

INDEX = Translatable.of("source.index")

Record = tuple[int, dict, str]
"""The line on which it begins, its cells by name (None if empty), and its problem."""


def detect_delimiter(head: str, known: frozenset[str]) -> str | None:
    """Return the delimiter of text that begins a table; None for text that is no table.

    The first record must hold a `known` name, or as many names as the second record has cells.
    """
    if separator := SEPARATOR.match(head):
        return separator[1]
    for delimiter in DELIMITERS:
        first, second = (*_cells(head, delimiter), [], [])[:2]
        columns = _strip_end(first)
        names = columns[1:] if columns[:1] == [""] else columns
        if first != columns and columns[:1] == [""]:
            continue  # a line of a Markdown table
        if names and all(map(NAME.fullmatch, names)):
            if known & {name.casefold() for name in names} and (len(names) > 1 or delimiter == ","):
                return delimiter
            if len(names) > 1 and len(second) in (len(first), len(columns)):
                return delimiter
    return None


def read_records(
    lines: Iterator[str], delimiter: str, note: Callable[[str], None] = lambda text: None
) -> Iterator[Record]:
    """Yield every record below the head; `note` gets a line about a column that is left out.

    `lines` keep their ends and hold bytes that are not UTF-8 as lone surrogates. Raises BadInput for two columns of
    one name, and with the line of a record that is longer than `LONGEST`, line breaks in its cells included.
    """
    csv.field_size_limit(LONGEST)  # of the whole process; the default would refuse a cell above 128 KiB
    record = _RecordLines(lines)
    reader = csv.reader(record, delimiter=delimiter, strict=True)
    head: Head | None = None
    while True:
        line = reader.line_num + 1
        record.begin(line)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, {}, _broken(str(error))
            continue
        if head is None:
            if cells and not (line == 1 and re.fullmatch(r"(?i)sep=.?", cells[0])):
                head = Head(cells, note)
        elif cells and any(cells):
            yield line, *_record(head, cells)


class Head:
    """The names of a table's columns. Columns behind the last name must be empty; an index has no name."""

    def __init__(self, cells: list[str], note: Callable[[str], None]) -> None:
        self.names = _strip_end(cells)
        self._note = note
        doubled = [name for name, count in Counter(filter(None, self.names)).items() if count > 1]
        if doubled:
            raise BadInput.of("error.columns_twice", name=doubled[0])

    def is_index(self, place: int, cell: str) -> bool:
        """Return whether a cell belongs to the index that pandas saves as a column; note it."""
        name = self.names[place]
        index = place == 0 and name in ("", "Unnamed: 0") and (not cell or bool(WHOLE.fullmatch(cell)))
        if index:
            self._note(INDEX)
        return index


class _RecordLines:
    """The lines of a table; it counts the characters since the last record began."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._first, self._size = 1, 0

    def begin(self, line: int) -> None:
        """Begin a record on a line."""
        self._first, self._size = line, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._size += len(line)
        if self._size > LONGEST:
            raise BadInput.of("row.too_long", line=self._first, size=LONGEST >> 20)
        return line


def _record(head: Head, cells: list[str]) -> tuple[dict, str]:
    names = head.names
    problem = find_undecodable("".join(cells))
    if problem:
        return {}, problem
    if len(cells) > len(names) and not any(cells[len(names) :]):
        cells = cells[: len(names)]
    row = {
        name: _value(name, cell)
        for place, (name, cell) in enumerate(zip(names, cells, strict=False))
        if not head.is_index(place, cell)
    }
    if row.get(""):
        return row, Translatable.of("row.cell_unnamed", cell=repr(row[""])[:40])
    row.pop("", None)
    if len(cells) != len(names):
        return row, Translatable.of("row.cell_count", cells=len(cells), names=len(names))
    return row, ""


def _strip_end(cells: list[str]) -> list[str]:
    """Return cells without space around them, and without empty ones at the end."""
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    return names


def find_undecodable(text: str) -> str:
    """Return the problem of text that was decoded with `surrogateescape`; empty if there is none."""
    escaped = next((mark for mark in text if "\udc80" <= mark <= "\udcff"), "") if not text.isascii() else ""
    return Translatable.of("row.bytes", byte=ord(escaped) - 0xDC00) if escaped else ""


def _value(name: str, cell: str) -> object:
    if not cell:
        return None
    if STRUCTURED.fullmatch(name):
        try:
            return parse_json(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def _broken(error: str) -> str:
    if "end of data" in error:
        return Translatable.of("row.csv_open")
    if "field larger" in error:
        return Translatable.of("row.csv_long", size=LONGEST >> 20)
    if "expected after" in error:
        return Translatable.of("row.csv_quote")
    return Translatable.of("row.csv_invalid", error=error)


def _cells(head: str, delimiter: str) -> list[list[str]]:
    """Return the first two records of the head, as far as they can be read."""
    records: list[list[str]] = []
    try:
        for cells in csv.reader(head.splitlines(keepends=True), delimiter=delimiter):
            records += [cells] if cells else []
            if len(records) == 2:
                break
    except csv.Error:
        pass
    return records
