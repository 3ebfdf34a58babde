# SPDX-License-Identifier: Apache-2.0
"""Checked rows: each row of a file with its shapes, or with the reason of its refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

from data.errors import BadInput
from data.formats import AUTO, Shape, edit_rows, ranking_rows, read_row
from data.formats.files.opening import Meter
from data.formats.files.source import Source, unpacked_name
from data.formats.files.text_encoding import check_encoding
from data.formats.grouping import first_row, group_rows
from data.formats.mapping import Mapped, apply_mapping
from data.formats.ranking_rows import MOST_ROWS
from data.formats.reading import detect_kind, read_lines, read_rows
from data.formats.rows.fields import BadRow
from data.formats.tracked_row import TrackedRow
from data.ids import content_hash
from data.json_text import TOO_DEEP
from data.texts import Translatable
from data.transfer.import_target import ImportRow

RANKING, COMPARISON = "ranking", "comparison"


class ImportFile(NamedTuple):
    """A source and its name; an upload has another name than its path. `local` is false in the hub's cache."""

    source: Source
    name: str
    local: bool = True

    @property
    def path(self) -> Path:
        """The path of the file, or of the archive that holds it."""
        return self.source.path

    @classmethod
    def at(cls, path: Path | str, name: str | None = None, encoding: str = "") -> ImportFile:
        """Return the file at a path; its name omits the endings of packed files. Raises BadInput for no encoding."""
        path = Path(path).expanduser()
        name = unpacked_name(name or path.name).encode("utf-8", "replace").decode()
        return cls(Source(path, encoding=check_encoding(encoding)), name)


class CheckedRow(NamedTuple):
    """A row of the file: its shapes, or the reason of its refusal. Of joined rows the first has the shape."""

    file: ImportFile
    line: int
    row: Mapping[str, Any]
    good: tuple[ImportRow, ...] = ()
    reason: str = ""
    field: str | None = None
    tracked: TrackedRow | None = None


class Reading(NamedTuple):
    """The kind of rows, their format, and the origins of their columns."""

    what: str
    form: str = AUTO
    mapping: Mapping[str, Mapped] = {}


def check_rows(file: ImportFile, reading: Reading, meter: Meter | None = None) -> Iterator[CheckedRow]:
    """Yield every row with its shapes or the reason of its refusal; `meter` counts the bytes.

    The rows of a ranking or of an edit follow one another, and the first of them has its shape.
    """
    checked = _check_each(file, reading, meter)
    return _join_events(checked) if reading.what == "preferences" else checked


def _check_each(file: ImportFile, reading: Reading, meter: Meter | None) -> Iterator[CheckedRow]:
    rows = _until_broken(_rows(file.source, reading.what, meter))
    for line, row, problem in rows if reading.mapping else group_rows(rows, reading.what, reading.form):
        if problem:
            yield CheckedRow(file, line, row, reason=problem)
            continue
        try:
            tracked = apply_mapping(row, reading.mapping) if reading.mapping else TrackedRow(row)
            shapes = read_row(tracked, reading.what, reading.form)
            yield CheckedRow(file, line, row, _import_rows(row, tracked, shapes, reading), tracked=tracked)
        except BadRow as bad:
            yield CheckedRow(file, line, row, reason=bad.reason, field=bad.field)
        except RecursionError:
            yield CheckedRow(file, line, {}, reason=TOO_DEEP)


def _find_event(row: CheckedRow) -> tuple[str, object]:
    """Return whether an exported row says a part of a ranking or of a comparison, and the id of that."""
    first = first_row(row.tracked) if row.tracked else None
    kind = first.peek("kind") if first and first.peek("comparison") is not None else None
    said_in = first.peek("said_in") if first else None
    if kind == "ranking":
        return RANKING, said_in
    return (COMPARISON, said_in) if kind in ("comparison", "edit") else ("", None)


def _join_events(rows: Iterator[CheckedRow]) -> Iterator[CheckedRow]:
    """Yield the rows, those of a whole ranking or edit joined. Rows of any other one are comparisons, with a note."""
    for (event, _), same in groupby(rows, _find_event):
        if not event:
            yield from same
            continue
        group = list(islice(same, MOST_ROWS + 1))
        if joined := _join(group, event):
            yield group[0]._replace(good=(joined,))
            yield from (row._replace(good=()) for row in group[1:])
            continue
        for row in chain(group, same):
            if row.tracked and (event == RANKING or edit_rows.is_edit(row.tracked)):
                row.tracked.note(ranking_rows.FLATTENED if event == RANKING else edit_rows.FLATTENED)
            yield row


def _join(group: Sequence[CheckedRow], event: str) -> ImportRow | None:
    """Return the ranking, or the comparison with an edit, that these rows are together; None if they are none.

    A comparison with an edit has the hash of its own row, so that this row alone is no other comparison.
    """
    tracked = [row.tracked for row in group if row.tracked]
    if event == COMPARISON and not any(map(edit_rows.is_edit, tracked)):
        return None
    goods = [good for row in group for good in row.good]
    shapes = [good.shape for good in goods]
    shape = ranking_rows.join_rows(tracked, shapes) if event == RANKING else edit_rows.join_rows(tracked, shapes)
    if shape is None:
        return None
    joined = tuple(good.hash for good in goods)
    own = [good.hash for row, good in zip(tracked, goods, strict=True) if not edit_rows.is_edit(row)]
    hash = own[0] if event == COMPARISON and own else content_hash(*joined)
    return ImportRow(shape, hash, goods[0].comparison, sum(good.size for good in goods), joined)


def _import_rows(
    row: Mapping[str, Any], tracked: TrackedRow, shapes: Shape | list[Shape], reading: Reading
) -> tuple[ImportRow, ...]:
    """Return a row for the import of each shape. The hash of the whole row identifies its only shape.

    A mapping is part of what the row means, so it is part of the hash.
    """
    mapping = [[target, list(mapped.path), mapped.constant] for target, mapped in sorted(reading.mapping.items())]
    hash = content_hash(_kind(reading.what), row, *([mapping] if mapping else []))
    size, named = count_characters(row), _comparison(tracked)
    if not isinstance(shapes, list):
        return (ImportRow(shapes, hash, named, size),)
    return tuple(
        ImportRow(shape, content_hash(hash, number), named, size // len(shapes)) for number, shape in enumerate(shapes)
    )


def count_characters(value: object) -> int:
    """Return the number of characters in the texts of a JSON value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(count_characters, value.values()))
    return sum(map(count_characters, value)) if isinstance(value, list) else 1


def _kind(what: str) -> str:
    return "preferences" if what == "pairs" else what


def _comparison(row: TrackedRow) -> str | None:
    """Return the comparison or ranking that an exported row names; its home has that event already."""
    first = first_row(row)
    if "said_in" not in first and "comparison" not in first:
        return None
    named = [first[key] for key in ("said_in", "comparison") if isinstance(first.get(key), str)]
    return named[0] if named else None


def _until_broken(rows: Iterator[tuple[int, dict, str]]) -> Iterator[tuple[int, dict, str]]:
    """Yield the rows as far as the file can be read. A break in the middle becomes a bad row.

    Raises BadInput for a file that cannot be read at all, which has no line.
    """
    try:
        yield from rows
    except BadInput as broken:
        if broken.line is None:
            raise
        yield broken.line, {}, Translatable.of("row.nothing_after", error=broken.error)


def _rows(source: Source, what: str, meter: Meter | None) -> Iterator[tuple[int, dict, str]]:
    """Return the rows of a file; of plain text in a file named .txt, one prompt a line."""
    if what == "prompts" and source.name.endswith(".txt") and detect_kind(source) == "text":
        return ((line, {"prompt": text}, problem) for line, text, problem in read_lines(source, meter))
    return read_rows(source, meter)
