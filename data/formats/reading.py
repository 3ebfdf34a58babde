# SPDX-License-Identifier: Apache-2.0
"""Rows of a file: JSON Lines, a JSON array, JSON values, CSV, Parquet or Arrow, packed or not, in any encoding.

The kind of a file is detected by its content, never by its name. Rows are streamed with the line they begin on. A row
that is not a JSON object comes with its problem. A file that cannot be read as a whole (missing, empty, cut) raises
`BadInput`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

from data.errors import BadInput
from data.formats.files import arrow, sheets
from data.formats.files.columnar import MAGIC, read_parquet_rows
from data.formats.files.opening import Meter, make_read_error, open_bytes
from data.formats.files.other_kinds import PYTHON, refuse_archive, refuse_other_kind, refuse_text
from data.formats.files.packing import BROKEN
from data.formats.files.source import Source
from data.formats.files.text_encoding import CARRIAGE_RETURNS, TextStream, open_text
from data.formats.values import LONGEST, read_json_values
from data.json_text import TOO_DEEP, describe_json_error, parse_json
from data.texts import Translatable

KNOWN = frozenset(
    (
        "prompt",
        "instruction",
        "input",
        "output",
        "messages",
        "conversations",
        "completion",
        "response",
        "chosen",
        "rejected",
        "model",
        "margin",
        "winner",
        "response_a",
        "response_b",
        "conversation_a",
        "conversation_b",
        "response1",
        "response2",
    )
)
"""Column names that mark a table's head line."""
HEAD = 1 << 16  # bytes that detection reads
BLANK, BLANK_PER_ROW = 100_000, 10
"""Blank lines that a file may hold, and more for each line that is not blank. Skipping them takes time as well."""
BOM = b"\xef\xbb\xbf"


class Row(NamedTuple):
    """One row: the line it begins on (from 1), its object, and its problem (empty for a good row)."""

    line: int
    value: dict
    problem: str = ""


def read_rows(path: Path | Source, meter: Meter | None = None) -> Iterator[Row]:
    """Yield the rows of a file; `meter` counts the bytes.

    Raises BadInput if the file cannot be read as rows, or not from some line on.
    """
    source = Source.of(path)
    kind = detect_kind(source)
    if kind == "text":
        refuse_text(_text_head(source), source)
    yield from KINDS[kind](source, meter)


def read_lines(path: Path | Source, meter: Meter | None = None) -> Iterator[tuple[int, str, str]]:
    """Yield (line number, text, problem) for each line that is not blank."""
    source = Source.of(path)
    with open_text(source, meter) as (stream, below):
        for number, raw in _raw_lines(stream, source):
            try:
                text = raw.decode("utf-8").strip()
            except UnicodeDecodeError as error:
                yield number, "", _undecodable(error, below)
                continue
            if text:
                yield number, text, ""


def detect_kind(path: Path | Source) -> str:
    """Return 'lines' (JSON Lines), 'values' (an array, or objects over lines), 'table', 'parquet', 'arrow' or 'text'.

    Raises BadInput for anything but a readable, non-empty file of text, Parquet or Arrow.
    """
    source = Source.of(path)
    head = _head(source)
    refuse_other_kind(head, source)
    refuse_archive(head, source)
    if head.startswith(MAGIC):
        return "parquet"
    if head.startswith((arrow.FILE, arrow.STREAM)):
        return "arrow"
    text = _text_head(source).lstrip()
    if not text:
        raise BadInput.of("error.file_empty", file=str(source))
    if text[0] == "[" and not PYTHON.match(text):
        return "values" if text[1:].lstrip()[:1] in ("{", "]", "[", '"', "") else "text"
    if text[0] == "{" and not PYTHON.match(text):
        return _objects_kind(text)
    return "table" if text[0] not in "[{" and _delimiter(source, text) else "text"


def _delimiter(source: Source, head: str) -> str | None:
    """Return the delimiter of a table.

    A file named .txt is a table only if its first line holds a name in KNOWN.
    """
    delimiter = sheets.detect_delimiter(head, KNOWN)
    return (
        None
        if delimiter
        and source.name.endswith(".txt")
        and not KNOWN & {name.strip(' "').casefold() for name in head.partition("\n")[0].split(delimiter)}
        else delimiter
    )


def _objects_kind(text: str) -> str:
    """Return 'lines' for text with one object per line, 'values' for objects over several lines."""
    first, *others = [line for line in text.split("\n") if line.strip()]
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return "lines" if not others or others[0].lstrip().startswith("{") else "values"
    return "lines"


def _lines(source: Source, meter: Meter | None) -> Iterator[Row]:
    with open_text(source, meter) as (stream, below):
        for number, raw in _raw_lines(stream, source):
            try:
                value = parse_json(raw.decode("utf-8"))
            except UnicodeDecodeError as error:
                yield Row(number, {}, _undecodable(error, below))
            except json.JSONDecodeError as error:
                reason = describe_json_error(error)
                yield Row(number, {}, Translatable.of("row.json_invalid", reason=reason, column=error.colno))
            except RecursionError:
                yield Row(number, {}, TOO_DEEP)
            except ValueError as error:
                yield Row(number, {}, Translatable.of("row.json_unusable", reason=describe_json_error(error)))
            else:
                yield _object(number, value)


def _values(source: Source, meter: Meter | None) -> Iterator[Row]:
    with open_text(source, meter) as (stream, _):
        for line, value, problem in read_json_values(stream, source):
            yield Row(line, {}, problem) if problem else _object(line, value)


def _table(source: Source, meter: Meter | None) -> Iterator[Row]:
    delimiter = _delimiter(source, _text_head(source).lstrip()) or ","
    with open_text(source, meter) as (stream, below):
        ends = CARRIAGE_RETURNS if below.swapped else None
        raws = (raw.translate(ends) for _, raw in _physical_lines(stream, source))
        lines = (raw.decode("utf-8", errors="surrogateescape") for raw in raws)
        try:
            yield from (Row(*record) for record in sheets.read_records(lines, delimiter, source.note))
        except BadInput as problem:
            problem.file = str(source)
            raise


def _parquet(source: Source, meter: Meter | None) -> Iterator[Row]:
    # pyarrow reads the file, so the meter does not see it
    yield from (Row(*row) for row in read_parquet_rows(source))


def _arrow(source: Source, meter: Meter | None) -> Iterator[Row]:
    with open_bytes(source, meter) as stream:
        yield from (Row(*row) for row in arrow.read_arrow_rows(stream, source))


KINDS = {"lines": _lines, "values": _values, "table": _table, "parquet": _parquet, "arrow": _arrow}


def _object(line: int, value: object) -> Row:
    if isinstance(value, dict):
        return Row(line, value)
    return Row(line, {}, Translatable.of("row.not_object", given=json.dumps(value)[:40]))


def _raw_lines(stream: BufferedIOBase, source: Source) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines without their ends, blank ones left out."""
    return ((number, raw.rstrip(b"\r\n")) for number, raw in _physical_lines(stream, source) if raw.strip())


def _physical_lines(stream: BufferedIOBase, source: Source) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines with their ends, without the byte order mark."""
    number = blank = 0
    while True:
        try:
            raw = stream.readline(LONGEST + 1)
        except BROKEN as error:
            raise make_read_error(source, error, number + 1) from None
        if not raw:
            return
        number += 1
        if len(raw) > LONGEST:
            raise BadInput.of("error.line_long", file=str(source), line=number, size=LONGEST >> 20)
        blank += not raw.strip()
        if blank > BLANK + BLANK_PER_ROW * (number - blank):
            raise BadInput.of("error.lines_blank", file=str(source), line=number, blank=blank, number=number)
        yield number, raw.removeprefix(BOM) if number == 1 else raw


def _head(source: Source) -> bytes:
    """Return the first bytes of the file as they are. Raises BadInput if none can be read."""
    with open_bytes(source) as stream:
        return _read_head(stream, source)


def _text_head(source: Source) -> str:
    """Return the beginning of a text, without the byte order mark. Raises BadInput if none can be read."""
    with open_text(source) as (stream, _):
        return _read_head(stream, source).removeprefix(BOM).decode("utf-8", errors="replace")


def _read_head(stream: BufferedIOBase, source: Source) -> bytes:
    head = b""
    try:
        while len(head) < HEAD and (more := stream.read1(HEAD)):
            head += more
    except BROKEN as error:
        if not head:
            raise make_read_error(source, error) from None
    return head


def _undecodable(error: UnicodeDecodeError, text: TextStream) -> str:
    if text.encoding:
        return Translatable.of("row.not_encoding", encoding=text.encoding)
    return Translatable.of("row.not_utf8_line", byte=error.object[error.start], place=error.start + 1)
