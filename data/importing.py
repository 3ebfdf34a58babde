"""Import: a file's rows into the store, all or nothing, and nothing twice.

The file is read through once before anything is written, so that a bad line is named with the number of good ones. The
rows are then prepared by chunks, so that labelers never wait for a whole file, and count from one last commit on: prompts,
instructions, comparisons and pairs to be judged come together or not at all. What an import that breaks off may leave
behind is prompts and completions that its comparisons or pairs would have been about, without these: nothing is learned
from or shown because of them, and the next import of the file finds them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from os import W_OK, access
from pathlib import Path
from typing import NamedTuple

from data.errors import BadInput
from data.formats import AUTO, KEYS, read_row
from data.formats.fields import BadRow
from data.formats.reading import look, rows, text_lines
from data.formats.writing import write_rows
from data.ids import content_hash
from data.inserting import INSERTERS, Good, Inserter
from data.store import Store

CHUNK = 1000


class Checked(NamedTuple):
    """A row of the file: its shape and hash, or the reason why it has none."""

    line: int
    row: dict
    good: Good | None = None
    reason: str = ""
    field: str | None = None


@dataclass(slots=True)
class Survey:
    """What one reading of the file found."""

    good: int = 0
    bad: int = 0
    first_bad: Checked | None = None

    def add(self, checked: Checked) -> None:
        """Count one row."""
        if not checked.reason:
            self.good += 1
            return
        self.bad += 1
        self.first_bad = self.first_bad or checked


def import_file(
    store: Store,
    path: Path | str,
    what: str,
    *,
    form: str = AUTO,
    skip_bad: bool = False,
    name: str | None = None,
    by: str = "command line",
) -> dict:
    """Import prompts, instructions, preferences or completions -> {read, added, duplicate, rejected[, rejected_file]}.

    `name` stands for the file's where that is not its own (an upload), `by` for who does it. Raises BadInput that names
    the file and the line; with `skip_bad` bad rows go to FILE.rejected.jsonl with their line and reason instead.
    """
    path = Path(path).expanduser()
    source = (name or path.name).removesuffix(".gz").encode("utf-8", "replace").decode()
    survey = _survey(path, what, form)
    if not survey.good or (survey.bad and not skip_bad):
        raise _refusal(path, what, survey)
    rejected = {"rejected_file": str(_write_rejected(store, path, what, form))} if survey.bad else {}
    inserter = _prepared(store, path, what, form, source, survey)
    with store.transaction():
        added = inserter.publish()
        result = {"read": survey.good + survey.bad, "added": added, "duplicate": survey.good - added, "rejected": survey.bad, **rejected}
        store.audit.add(by, "import", file=source, what=what, **result)
    return result


def _prepared(store: Store, path: Path, what: str, form: str, source: str, survey: Survey) -> Inserter:
    """Read the file again, all but the last commit. Raises BadInput where it is not what was surveyed."""
    again, inserter = Survey(), INSERTERS[what](store, source)
    for chunk in _chunks(_good(path, what, form, again.add)):
        inserter.prepare(chunk)
    if (again.good, again.bad) != (survey.good, survey.bad):
        raise BadInput("the file changed while it was read", "Import it again when it is finished.", file=str(path))
    return inserter


def _survey(path: Path, what: str, form: str) -> Survey:
    """Read as `_prepared` will, as many calls deep: that decides whether a row is nested too deeply."""
    survey = Survey()
    for _ in _chunks(_good(path, what, form, survey.add)):
        pass
    return survey


def _good(path: Path, what: str, form: str, count: Callable[[Checked], None]) -> Iterator[Good]:
    for checked in _checked(path, what, form):
        count(checked)
        if checked.good:
            yield checked.good


def _checked(path: Path, what: str, form: str) -> Iterator[Checked]:
    """Every row with its shape or the reason why it has none."""
    for line, row, problem in _rows(path, what):
        if problem:
            yield Checked(line, row, reason=problem)
            continue
        try:
            yield Checked(line, row, Good(read_row(row, what, form), content_hash(what, row)))
        except BadRow as bad:
            yield Checked(line, row, reason=bad.reason, field=bad.field)
        except RecursionError:
            yield Checked(line, {}, reason="nested too deeply")


def _rows(path: Path, what: str) -> Iterator[tuple[int, dict, str]]:
    """Rows of JSON; of a plain text file named .txt, one prompt a line."""
    plain = what == "prompts" and path.name.removesuffix(".gz").endswith(".txt")
    if plain and look(path) == "text":
        return ((line, {"prompt": text}, problem) for line, text, problem in text_lines(path))
    return rows(path)


def _chunks(goods: Iterator[Good]) -> Iterator[list[Good]]:
    while chunk := list(islice(goods, CHUNK)):
        yield chunk


def _refusal(path: Path, what: str, survey: Survey) -> BadInput:
    """The first bad row, how many rows are good, and the way on."""
    bad = survey.first_bad
    if bad is None:
        return BadInput("there are no rows in the file", f"Each row needs {KEYS[what]}.", file=str(path))
    count = f"{survey.good} of {survey.good + survey.bad} rows are good"
    remedy = "Correct it, or import the good rows with --skip-bad." if survey.good else f"Each row needs {KEYS[what]}."
    return BadInput(f"{bad.reason} ({count})", remedy, file=str(path), line=bad.line, field=bad.field)


def _write_rejected(store: Store, path: Path, what: str, form: str) -> Path:
    """The bad rows beside the file, or in the home where nothing can be written beside it."""
    out = (path.parent if _writable(path.parent) else store.home) / f"{path.name}.rejected.jsonl"
    bad = (checked for checked in _checked(path, what, form) if checked.reason)
    write_rows(out, ({"line": one.line, "reason": one.reason, "row": one.row} for one in bad), force=True)
    return out


def _writable(folder: Path) -> bool:
    """Whether files may be put there; root may do what the folder's mode forbids, and does not."""
    return access(folder, W_OK) and bool(folder.stat().st_mode & 0o222)
