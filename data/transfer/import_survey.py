# SPDX-License-Identifier: Apache-2.0
"""Survey of files before their import: each row with its shape or the reason of its refusal, and totals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

from data.errors import BadInput
from data.formats import AUTO, KEYS, Shape, read_row
from data.formats.columns import Columns
from data.formats.files.opening import Meter
from data.formats.files.source import Source, unpacked_name
from data.formats.files.text_encoding import check_encoding
from data.formats.grouping import first_row, group_rows
from data.formats.mapping import Mapped, apply_mapping
from data.formats.ranking_rows import FLATTENED, MOST_ROWS, find_ranking, join_rows
from data.formats.reading import detect_kind, read_lines, read_rows
from data.formats.rows.fields import BadRow
from data.formats.shapes import PairShape, PreferenceShape, RankingShape
from data.formats.tracked_row import TrackedRow
from data.ids import content_hash
from data.transfer.import_problems import Problems
from data.transfer.import_target import ImportRow

MOST_LABELERS = 200
"""Files with more labelers than this (such as an open arena) get one account, so the list of people stays short."""


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


@dataclass(slots=True)
class Survey:
    """The totals of one reading of the files."""

    reading: Reading
    good: int = 0
    shapes: int = 0
    bad: int = 0
    first_bad: CheckedRow | None = None
    votes: int = 0
    rankings: int = 0
    labelers: set[str] = field(default_factory=set)
    columns: Columns = field(default_factory=Columns)
    problems: Problems = field(default_factory=Problems)

    def add(self, checked: CheckedRow) -> None:
        """Count one row."""
        if checked.reason:
            self.bad += 1
            self.first_bad = self.first_bad or checked
            self.problems.add(checked.reason, checked.file.name, checked.line, checked.row)
            return
        self.good += 1
        self.shapes += len(checked.good)
        if checked.tracked is not None:
            self.columns.add(checked.tracked)
        for row in checked.good:
            shape = row.shape.pair if isinstance(row.shape, PreferenceShape) else row.shape
            labelers = [vote.labeler for vote in shape.votes] if isinstance(shape, PairShape) else []
            self.votes += len(labelers)
            if isinstance(shape, RankingShape):
                self.rankings += 1
                labelers = [shape.labeler]
            if len(self.labelers) <= MOST_LABELERS:
                self.labelers.update(labelers)

    @property
    def apart(self) -> bool:
        """Return whether the labelers are few enough for an account each."""
        return len(self.labelers) <= MOST_LABELERS

    def refusal(self, files: Sequence[ImportFile]) -> BadInput:
        """Return the error for the first bad row, with the number of good rows and the remedy."""
        bad, needs = self.first_bad, f"Each row needs {KEYS[self.reading.what]}."
        if bad is None:
            return BadInput("there are no rows in the file", needs, file=str(files[0].source))
        count = f"{self.good} of {self.good + self.bad} rows are good"
        others = len(self.problems.report()) - 1
        count += f"; {others} other reason{'s' * (others > 1)}, see --dry-run" if others else ""
        needs += " Name other columns with --map, as in --map prompt=COLUMN." if bad.row else ""
        remedy = "Correct it, or import the good rows with --skip-bad." if self.good else needs
        if hint := self.problems.remedy(self.reading.what, self.reading.form):
            remedy = f"{hint} {remedy}" if self.good else hint
        return BadInput(f"{bad.reason} ({count})", remedy, file=str(bad.file.source), line=bad.line, field=bad.field)

    def report(self) -> dict[str, Any]:
        """Return the account of a reading: columns, remarks on rows, and bad rows by reason."""
        return {
            "columns": self.columns.report(),
            "notes": dict(self.columns.notes.most_common()),
            "problems": self.problems.report(),
        }


def check_rows(file: ImportFile, reading: Reading, meter: Meter | None = None) -> Iterator[CheckedRow]:
    """Yield every row with its shapes or the reason of its refusal; `meter` counts the bytes.

    The rows of a ranking follow one another, and the first of them has its shape.
    """
    checked = _check_each(file, reading, meter)
    return _join_rankings(checked) if reading.what == "preferences" else checked


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
            yield CheckedRow(file, line, {}, reason="nested too deeply")


def _join_rankings(rows: Iterator[CheckedRow]) -> Iterator[CheckedRow]:
    """Yield the rows, those of each whole ranking joined. Rows of any other one are comparisons, with a note."""
    for (ranked, _), same in groupby(rows, lambda row: find_ranking(row.tracked) if row.tracked else (False, None)):
        if not ranked:
            yield from same
            continue
        group = list(islice(same, MOST_ROWS + 1))
        if ranking := _join(group):
            yield group[0]._replace(good=(ranking,))
            yield from (row._replace(good=()) for row in group[1:])
            continue
        for row in chain(group, same):
            if row.tracked:
                row.tracked.note(FLATTENED)
            yield row


def _join(group: Sequence[CheckedRow]) -> ImportRow | None:
    """Return the ranking that these rows are together, None if they are none."""
    goods = [good for row in group for good in row.good]
    tracked = [row.tracked for row in group if row.tracked]
    shape = join_rows(tracked, [good.shape for good in goods])
    if shape is None:
        return None
    joined = tuple(good.hash for good in goods)
    return ImportRow(shape, content_hash(*joined), goods[0].comparison, sum(good.size for good in goods), joined)


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
        yield broken.line, {}, f"{broken.error}; nothing after it can be read"


def _rows(source: Source, what: str, meter: Meter | None) -> Iterator[tuple[int, dict, str]]:
    """Return the rows of a file; of plain text in a file named .txt, one prompt a line."""
    if what == "prompts" and source.name.endswith(".txt") and detect_kind(source) == "text":
        return ((line, {"prompt": text}, problem) for line, text, problem in read_lines(source, meter))
    return read_rows(source, meter)
