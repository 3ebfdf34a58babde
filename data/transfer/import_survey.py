"""A file before it is imported: every row with its shape or the reason why it has none, and what all of them are."""

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
"""Where files name more labelers than this (an open arena does), they are one account: the list of people stays readable."""


class ImportFile(NamedTuple):
    """A file and what it is called where that is not its own name (an upload)."""

    path: Path
    name: str

    @classmethod
    def at(cls, path: Path | str, name: str | None = None) -> ImportFile:
        """The file; its name is told without .gz."""
        path = Path(path).expanduser()
        return cls(path, (name or path.name).removesuffix(".gz").encode("utf-8", "replace").decode())


class CheckedRow(NamedTuple):
    """A row of the file: its shape and hash, or the reason why it has none."""

    file: ImportFile
    line: int
    row: dict
    good: ImportRow | None = None
    reason: str = ""
    field: str | None = None


@dataclass(slots=True)
class Survey:
    """What one reading of the files found."""

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
        """Whether the files' labelers are few enough to get an account each."""
        return len(self.labelers) <= MOST_LABELERS

    def refusal(self, what: str, files: Sequence[ImportFile]) -> BadInput:
        """The first bad row, how many rows are good, and the way on."""
        bad = self.first_bad
        if bad is None:
            return BadInput("there are no rows in the file", f"Each row needs {KEYS[what]}.", file=str(files[0].path))
        count = f"{self.good} of {self.good + self.bad} rows are good"
        remedy = (
            "Correct it, or import the good rows with --skip-bad." if self.good else f"Each row needs {KEYS[what]}."
        )
        return BadInput(f"{bad.reason} ({count})", remedy, file=str(bad.file.path), line=bad.line, field=bad.field)


def check_rows(file: ImportFile, what: str, form: str, meter: Meter | None = None) -> Iterator[CheckedRow]:
    """Every row with its shape or the reason why it has none; `meter` is told how far."""
    for line, row, problem in _until_broken(_rows(file.path, what, meter)):
        if problem:
            yield CheckedRow(file, line, row, reason=problem)
            continue
        try:
            yield CheckedRow(
                file, line, row, ImportRow(read_row(row, what, form), content_hash(_kind(what), row), _comparison(row))
            )
        except BadRow as bad:
            yield CheckedRow(file, line, row, reason=bad.reason, field=bad.field)
        except RecursionError:
            yield CheckedRow(file, line, {}, reason="nested too deeply")


def _kind(what: str) -> str:
    return "preferences" if what == "pairs" else what


def _comparison(row: dict) -> str | None:
    """The comparison or ranking that a row says it is from, as export writes it: the home it came from knows it already."""
    named = row.get("said_in") or row.get("comparison")
    return named if isinstance(named, str) else None


def _until_broken(found: Iterator[tuple[int, dict, str]]) -> Iterator[tuple[int, dict, str]]:
    """The rows up to the place from which on the file cannot be read (it is cut off), which is a bad row as any other.

    Raises BadInput for what is no file of rows from its beginning: that has no line.
    """
    try:
        yield from found
    except BadInput as broken:
        if broken.line is None:
            raise
        yield broken.line, {}, f"{broken.error}; nothing after it can be read"


def _rows(path: Path, what: str, meter: Meter | None) -> Iterator[tuple[int, dict, str]]:
    """Rows of JSON; of a plain text file named .txt, one prompt a line."""
    plain = what == "prompts" and path.name.removesuffix(".gz").endswith(".txt")
    if plain and detect_kind(path) == "text":
        return ((line, {"prompt": text}, problem) for line, text, problem in read_lines(path, meter))
    return read_rows(path, meter)
