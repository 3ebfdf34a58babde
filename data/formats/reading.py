"""Rows out of a file that a person hands over: JSON Lines, a JSON array or JSON values, gzipped or not.

What a file is, is found out by looking and never by its name. Rows are streamed with the line they begin on, and a row
that is not a JSON object comes back with its problem, so that the caller can count the good ones. What spoils the
whole file (missing, empty, cut gzip, cut JSON) raises `BadInput`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data.errors import BadInput
from data.formats.opening import BROKEN, broken, opened
from data.formats.values import LONGEST, json_values

HEAD = 1 << 16  # bytes looked at to find out what a file is
BOM = b"\xef\xbb\xbf"
OTHER_KINDS = {
    b"PK\x03\x04": "a ZIP archive",
    b"PAR1": "a Parquet file",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"\xfd7zXZ": "an XZ archive",
    b"BZh": "a bzip2 archive",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"SQLite format 3": "an SQLite database",
}


class Row(NamedTuple):
    """One row: the line it begins on (from 1), its object, and why it is none (empty for a good row)."""

    line: int
    value: dict
    problem: str = ""


def rows(path: Path) -> Iterator[Row]:
    """The rows of a JSON or JSON Lines file, streamed. Raises BadInput when the file as a whole cannot be read."""
    kind = look(path)
    if kind == "text":
        raise BadInput(
            f"neither JSON nor JSON Lines: it begins with {_beginning(path)!r}",
            "Give one JSON object per line or one JSON array; plain prompts go in a file named .txt.",
            file=str(path),
        )
    yield from _lines(path) if kind == "lines" else _values(path)


def text_lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line number, text, problem) for each line that is not blank."""
    for number, raw in _raw_lines(path):
        try:
            text = raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            yield number, "", _not_utf8(error)
            continue
        if text:
            yield number, text, ""


def look(path: Path) -> str:
    """'lines' (JSON Lines), 'values' (an array, or objects over several lines) or 'text'.

    Raises BadInput for what is not a readable, non-empty file of UTF-8 text.
    """
    head = _head(path)
    for magic, name in OTHER_KINDS.items():
        if head.startswith(magic):
            raise BadInput(f"this is {name}", "Save it as JSON Lines in UTF-8 (it may be gzipped).", file=str(path))
    text = head.removeprefix(BOM).decode("utf-8", errors="replace").lstrip()
    if not text:
        raise BadInput("the file is empty", "Give a file with at least one row.", file=str(path))
    if text[0] == "[":
        return "values" if text[1:].lstrip()[:1] in ("{", "]", "[", '"', "") else "text"
    return _objects_kind(text) if text[0] == "{" else "text"


def _objects_kind(text: str) -> str:
    """Whether text that begins with { holds an object per line or objects that stretch over lines."""
    first, *others = [line for line in text.split("\n") if line.strip()]
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return "lines" if not others or others[0].lstrip().startswith("{") else "values"
    return "lines"


def _lines(path: Path) -> Iterator[Row]:
    for number, raw in _raw_lines(path):
        try:
            value = json.loads(raw.decode("utf-8"))
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


def _values(path: Path) -> Iterator[Row]:
    with opened(path) as stream:
        for line, value in json_values(stream, path):
            yield _object(line, value)


def _object(line: int, value: object) -> Row:
    if isinstance(value, dict):
        return Row(line, value)
    return Row(line, {}, f"a row must be a JSON object {{...}}, this one is {json.dumps(value)[:40]}")


def _raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines without their ends; blank ones left out, the byte order mark taken off."""
    with opened(path) as stream:
        number = 0
        while True:
            try:
                raw = stream.readline(LONGEST + 1)
            except BROKEN as error:
                raise broken(path, error, number + 1) from None
            if not raw:
                return
            number += 1
            if len(raw) > LONGEST:
                raise BadInput(
                    f"the line is longer than {LONGEST >> 20} MiB", "Split it into rows.", file=str(path), line=number
                )
            raw = raw.removeprefix(BOM) if number == 1 else raw
            if raw.strip():
                yield number, raw.rstrip(b"\r\n")


def _head(path: Path) -> bytes:
    with opened(path) as stream:
        try:
            return stream.read(HEAD)
        except BROKEN as error:
            raise broken(path, error) from None


def _beginning(path: Path) -> str:
    return _head(path).removeprefix(BOM).decode("utf-8", errors="replace").strip()[:30]


def _not_utf8(error: UnicodeDecodeError) -> str:
    return f"not UTF-8 text (byte 0x{error.object[error.start]:02x} at {error.start + 1})"
