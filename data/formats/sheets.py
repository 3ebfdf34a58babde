# SPDX-License-Identifier: Apache-2.0
"""CSV: a head line with names, then a row per record; cells may hold line breaks (RFC 4180).

The delimiter is a comma, a tab or a semicolon.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from data.errors import BadInput
from data.formats.values import LONGEST, TOO_LONG
from data.json_text import parse_json

DELIMITERS = ",\t;"
NAME = re.compile(r"\w[\w .:/()-]{0,59}")
STRUCTURED = re.compile(r"messages|conversations?(_[ab])?|facts|defects|margin|winner_\w+|annotator\d+")
"""Columns whose cells hold lists, objects or numbers as JSON."""

Record = tuple[int, dict, str]
"""The line on which it begins, its cells by name (None if empty), and its problem."""


def detect_delimiter(head: str, known: frozenset[str]) -> str | None:
    """Return the delimiter of text that begins a table; None for text that is no table.

    The first record must hold a `known` name, or as many names as the second record has cells.
    """
    for delimiter in DELIMITERS:
        first, second = (*_cells(head, delimiter), [], [])[:2]
        names = [name.strip() for name in first]
        if all(map(NAME.fullmatch, names)) and len(set(names)) == len(names):
            if known & {name.casefold() for name in names} and (len(names) > 1 or delimiter == ","):
                return delimiter
            if 1 < len(names) == len(second):
                return delimiter
    return None


def read_records(lines: Iterator[str], delimiter: str) -> Iterator[Record]:
    """Yield every record below the head.

    `lines` keep their ends and hold bytes that are not UTF-8 as lone surrogates. Raises BadInput with the line of a
    record that is longer than `LONGEST`, line breaks in its cells included.
    """
    csv.field_size_limit(LONGEST)  # of the whole process; the default would refuse a cell above 128 KiB
    record = _RecordLines(lines)
    reader = csv.reader(record, delimiter=delimiter, strict=True)
    names: list[str] | None = None
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
        if names is None:
            names = [name.strip() for name in cells]
        elif cells and any(cells):
            yield line, *_record(names, cells)


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
            raise BadInput(TOO_LONG, "Close its quotes, or split it into rows.", line=self._first)
        return line


def _record(names: list[str], cells: list[str]) -> tuple[dict, str]:
    row = {name: _value(name, cell) for name, cell in zip(names, cells, strict=False)}
    problem = find_undecodable("".join(cells))
    if problem:
        return {}, problem
    if len(cells) != len(names):
        return row, f"the row has {len(cells)} cells, the head line {len(names)}"
    return row, ""


def find_undecodable(text: str) -> str:
    """Return the problem of text that was decoded with `surrogateescape`; empty if there is none."""
    escaped = next((mark for mark in text if "\udc80" <= mark <= "\udcff"), "") if not text.isascii() else ""
    return f"not UTF-8 text (byte 0x{ord(escaped) - 0xDC00:02x}); save the file as CSV in UTF-8" if escaped else ""


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
        return "a quoted cell begins here and does not end"
    if "field larger" in error:
        return f"a cell is longer than {LONGEST >> 20} MiB"
    if "expected after" in error:
        return "a quote inside a quoted cell must be doubled"
    return f"not valid CSV ({error})"


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
