# SPDX-License-Identifier: Apache-2.0
"""Survey of files before their import: each row with its shape or the reason of its refusal, and totals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from data.errors import BadInput
from data.formats import KEYS, read_row
from data.formats.opening import Meter
from data.formats.reading import detect_kind, read_lines, read_rows
from data.formats.rows.fields import BadRow
from data.formats.shapes import PairShape, PreferenceShape
from data.ids import content_hash
from data.transfer.import_target import ImportRow

MOST_LABELERS = 200
"""Files with more labelers than this (such as an open arena) get one account, so the list of people stays short."""


class ImportFile(NamedTuple):
    """A file and its name; an upload has another name than its path."""

    path: Path
    name: str

    @classmethod
    def at(cls, path: Path | str, name: str | None = None) -> ImportFile:
        """Return the file at a path; its name omits .gz."""
        path = Path(path).expanduser()
        return cls(path, (name or path.name).removesuffix(".gz").encode("utf-8", "replace").decode())


class CheckedRow(NamedTuple):
    """A row of the file: its shape and hash, or the reason of its refusal."""

    file: ImportFile
    line: int
    row: dict
    good: ImportRow | None = None
    reason: str = ""
    field: str | None = None


@dataclass(slots=True)
class Survey:
    """The totals of one reading of the files."""

    good: int = 0
    bad: int = 0
    first_bad: CheckedRow | None = None
    votes: int = 0
    labelers: set[str] = field(default_factory=set)

    def add(self, checked: CheckedRow) -> None:
        """Count one row."""
        if not checked.good:
            self.bad += 1
            self.first_bad = self.first_bad or checked
            return
        self.good += 1
        shape = checked.good.shape
        judged = shape.pair if isinstance(shape, PreferenceShape) else shape
        if isinstance(judged, PairShape):
            self.votes += len(judged.votes)
            if len(self.labelers) <= MOST_LABELERS:
                self.labelers.update(vote.labeler for vote in judged.votes)

    @property
    def apart(self) -> bool:
        """Return whether the labelers are few enough for an account each."""
        return len(self.labelers) <= MOST_LABELERS

    def refusal(self, what: str, files: Sequence[ImportFile]) -> BadInput:
        """Return the error for the first bad row, with the number of good rows and the remedy."""
        bad = self.first_bad
        if bad is None:
            return BadInput("there are no rows in the file", f"Each row needs {KEYS[what]}.", file=str(files[0].path))
        count = f"{self.good} of {self.good + self.bad} rows are good"
        remedy = (
            "Correct it, or import the good rows with --skip-bad." if self.good else f"Each row needs {KEYS[what]}."
        )
        return BadInput(f"{bad.reason} ({count})", remedy, file=str(bad.file.path), line=bad.line, field=bad.field)


def check_rows(file: ImportFile, what: str, form: str, meter: Meter | None = None) -> Iterator[CheckedRow]:
    """Yield every row with its shape or the reason of its refusal; `meter` counts the bytes."""
    for line, row, problem in _until_broken(_rows(file.path, what, meter)):
        if problem:
            yield CheckedRow(file, line, row, reason=problem)
            continue
        try:
            shape = read_row(row, what, form)
            good = ImportRow(shape, content_hash(_kind(what), row), _comparison(row), count_characters(row))
            yield CheckedRow(file, line, row, good)
        except BadRow as bad:
            yield CheckedRow(file, line, row, reason=bad.reason, field=bad.field)
        except RecursionError:
            yield CheckedRow(file, line, {}, reason="nested too deeply")


def count_characters(value: object) -> int:
    """Return the number of characters in the texts of a JSON value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(count_characters, value.values()))
    return sum(map(count_characters, value)) if isinstance(value, list) else 1


def _kind(what: str) -> str:
    return "preferences" if what == "pairs" else what


def _comparison(row: dict) -> str | None:
    """Return the comparison or ranking that an exported row names; its home has that event already."""
    named = row.get("said_in") or row.get("comparison")
    return named if isinstance(named, str) else None


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


def _rows(path: Path, what: str, meter: Meter | None) -> Iterator[tuple[int, dict, str]]:
    """Return the rows of a file; of plain text in a file named .txt, one prompt a line."""
    plain = what == "prompts" and path.name.removesuffix(".gz").endswith(".txt")
    if plain and detect_kind(path) == "text":
        return ((line, {"prompt": text}, problem) for line, text, problem in read_lines(path, meter))
    return read_rows(path, meter)
