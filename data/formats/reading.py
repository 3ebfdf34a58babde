# SPDX-License-Identifier: Apache-2.0
"""Rows of a file: JSON Lines, a JSON array, JSON values, CSV or Parquet, gzipped or not.

The kind of a file is detected by its content, never by its name. Rows are streamed with the line they begin on. A row
that is not a JSON object comes with its problem. A file that cannot be read as a whole (missing, empty, cut) raises
`BadInput`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data.errors import BadInput
from data.formats import sheets
from data.formats.columnar import MAGIC, read_parquet_rows
from data.formats.opening import BROKEN, Meter, make_read_error, open_bytes
from data.formats.values import LONGEST, read_json_values
from data.json_text import parse_json

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
OTHER_KINDS = {
    b"PK\x03\x04": "a ZIP archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"\xfd7zXZ": "an XZ archive",
    b"BZh": "a bzip2 archive",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"SQLite format 3": "an SQLite database",
}


class Row(NamedTuple):
    """One row: the line it begins on (from 1), its object, and its problem (empty for a good row)."""

    line: int
    value: dict
    problem: str = ""


def read_rows(path: Path, meter: Meter | None = None) -> Iterator[Row]:
    """Yield the rows of a file; `meter` counts the bytes.

    Raises BadInput if the file cannot be read as rows, or not from some line on.
    """
    kind = detect_kind(path)
    if kind == "text":
        raise BadInput(
            f"this is neither JSON nor CSV nor Parquet: it begins with {_beginning(path)!r}",
            "Give one JSON object per line, one JSON array, or a table with column names in its first line. "
            "Put plain prompts in a file named .txt.",
            file=str(path),
        )
    yield from KINDS[kind](path, meter)


def read_lines(path: Path, meter: Meter | None = None) -> Iterator[tuple[int, str, str]]:
    """Yield (line number, text, problem) for each line that is not blank."""
    for number, raw in _raw_lines(path, meter):
        try:
            text = raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            yield number, "", _not_utf8(error)
            continue
        if text:
            yield number, text, ""


def detect_kind(path: Path) -> str:
    """Return 'lines' (JSON Lines), 'values' (an array, or objects over lines), 'table' (CSV), 'parquet' or 'text'.

    Raises BadInput for anything but a readable, non-empty file of UTF-8 text or Parquet.
    """
    head = _head(path)
    for magic, name in OTHER_KINDS.items():
        if head.startswith(magic):
            raise BadInput(
                f"this is {name}",
                "Save it as JSON Lines or CSV in UTF-8 (it may be gzipped), or as Parquet.",
                file=str(path),
            )
    if head.startswith(MAGIC):
        return "parquet"
    text = head.removeprefix(BOM).decode("utf-8", errors="replace").lstrip()
    if not text:
        raise BadInput("the file is empty", "Give a file with at least one row.", file=str(path))
    if text[0] == "[":
        return "values" if text[1:].lstrip()[:1] in ("{", "]", "[", '"', "") else "text"
    if text[0] == "{":
        return _objects_kind(text)
    return "table" if _delimiter(path, text) else "text"


def _delimiter(path: Path, head: str) -> str | None:
    """Return the delimiter of a table.

    A file named .txt is a table only if its first line holds a name in KNOWN.
    """
    delimiter = sheets.detect_delimiter(head, KNOWN)
    plain = path.name.removesuffix(".gz").endswith(".txt")
    return (
        None
        if delimiter
        and plain
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


def _lines(path: Path, meter: Meter | None) -> Iterator[Row]:
    for number, raw in _raw_lines(path, meter):
        try:
            value = parse_json(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            yield Row(number, {}, _not_utf8(error))
        except json.JSONDecodeError as error:
            yield Row(number, {}, f"not valid JSON ({error.msg}, column {error.colno})")
        except RecursionError:
            yield Row(number, {}, "nested too deeply")
        except ValueError as error:
            yield Row(number, {}, f"not usable JSON ({str(error).split(';')[0]})")
        else:
            yield _object(number, value)


def _values(path: Path, meter: Meter | None) -> Iterator[Row]:
    with open_bytes(path, meter) as stream:
        for line, value, problem in read_json_values(stream, path):
            yield Row(line, {}, problem) if problem else _object(line, value)


def _table(path: Path, meter: Meter | None) -> Iterator[Row]:
    head = _head(path).removeprefix(BOM).decode("utf-8", errors="replace").lstrip()
    lines = (raw.decode("utf-8", errors="surrogateescape") for _, raw in _physical_lines(path, meter))
    try:
        yield from (Row(*record) for record in sheets.read_records(lines, _delimiter(path, head) or ","))
    except BadInput as problem:
        problem.file = str(path)
        raise


def _parquet(path: Path, meter: Meter | None) -> Iterator[Row]:
    with open_bytes(path):  # checks the path; pyarrow reads the file, so the meter does not see it
        yield from (Row(*row) for row in read_parquet_rows(path))


KINDS = {"lines": _lines, "values": _values, "table": _table, "parquet": _parquet}


def _object(line: int, value: object) -> Row:
    if isinstance(value, dict):
        return Row(line, value)
    return Row(line, {}, f"a row must be a JSON object {{...}}, this one is {json.dumps(value)[:40]}")


def _raw_lines(path: Path, meter: Meter | None) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines without their ends, blank ones left out."""
    return ((number, raw.rstrip(b"\r\n")) for number, raw in _physical_lines(path, meter) if raw.strip())


def _physical_lines(path: Path, meter: Meter | None) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines with their ends, without the byte order mark."""
    with open_bytes(path, meter) as stream:
        number = blank = 0
        while True:
            try:
                raw = stream.readline(LONGEST + 1)
            except BROKEN as error:
                raise make_read_error(path, error, number + 1) from None
            if not raw:
                return
            number += 1
            if len(raw) > LONGEST:
                raise BadInput(
                    f"the line is longer than {LONGEST >> 20} MiB", "Split it into rows.", file=str(path), line=number
                )
            blank += not raw.strip()
            if blank > BLANK + BLANK_PER_ROW * (number - blank):
                raise BadInput(
                    f"{blank:,} of {number:,} lines are blank", "Remove the blank lines.", file=str(path), line=number
                )
            yield number, raw.removeprefix(BOM) if number == 1 else raw


def _head(path: Path) -> bytes:
    """Return the first bytes of the file, or all of a shorter one. Raises BadInput if none can be read."""
    head = b""
    with open_bytes(path) as stream:
        try:
            while len(head) < HEAD and (more := stream.read1(HEAD)):
                head += more
        except BROKEN as error:
            if not head:
                raise make_read_error(path, error) from None
    return head


def _beginning(path: Path) -> str:
    return _head(path).removeprefix(BOM).decode("utf-8", errors="replace").strip()[:30]


def _not_utf8(error: UnicodeDecodeError) -> str:
    return f"not UTF-8 text (byte 0x{error.object[error.start]:02x} at {error.start + 1})"
