# SPDX-License-Identifier: Apache-2.0
"""Preview of files before an import: counts, first rows as stored, and duplicates. Nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any, NamedTuple

from data.formats import AUTO, Shape, guess_content
from data.formats.columns import EXAMPLE, Column
from data.formats.files.opening import Meter
from data.formats.mapping import Mapped, apply_mapping, parse_mapping
from data.formats.rows.fields import BadRow
from data.formats.shapes import CompletionShape, InstructionShape, PreferenceShape, PromptShape, RankingShape
from data.formats.values import LONGEST
from data.ids import canonical_json, content_hash
from data.selection.near_duplicates import find_near_duplicates
from data.store import Store
from data.tables.instructions import instruction_hash
from data.tables.prompts import prompt_hash
from data.transfer.checked_rows import ImportFile, Reading, check_rows
from data.transfer.import_problems import Problem
from data.transfer.import_sources import expand, notes_of
from data.transfer.import_survey import Survey
from data.transfer.import_target import ImportRow
from data.transfer.occurrence_counts import Occurrences
from data.transfer.progress_bar import Progress, ignore_progress

SHOWN = 5
COMPARED = 5000
"""Rows that are searched for near-duplicates, in one second; of a larger file the first ones."""
AT_ONCE = 250
KNOWN = {
    "prompts": "SELECT hash FROM prompts WHERE hash IN (SELECT value FROM json_each(?))",
    "instructions": "SELECT hash FROM instructions WHERE hash IN (SELECT value FROM json_each(?))",
    "preferences": "SELECT source_hash FROM comparisons WHERE source_hash IN (SELECT value FROM json_each(?1))"
    " UNION ALL SELECT id FROM rankings WHERE id IN (SELECT substr(value, 1, 32) FROM json_each(?1))",
}


class Preview(NamedTuple):
    """The preview of an import. `first_bad` is one line, None if every row is good.

    `shown` holds the first good rows as stored; `wrong` the first bad ones as {file, line, reason}. `duplicate`
    counts good rows that an earlier row or the store has; `near` counts others, among the first `COMPARED`, that
    nearly repeat an earlier one. `columns`, `notes` and `problems` are those of `Survey.report`. `file_notes` say how
    the files were read and what was left out.
    """

    what: str
    formats: dict[str, int]
    good: int
    bad: int
    comparisons: int
    rankings: int
    labelers: int
    duplicate: int
    near: int
    first_bad: str | None
    shown: list[dict]
    wrong: list[dict]
    columns: list[Column]
    notes: dict[str, int]
    problems: list[Problem]
    file_notes: list[str]


def preview(
    files: Sequence[ImportFile],
    what: str | None = None,
    form: str = AUTO,
    store: Store | None = None,
    progress: Progress = ignore_progress,
    mapping: str = "",
) -> Preview:
    """Preview the files.

    Without `what` the first row decides it. Without a store only the files are searched for duplicates. Raises
    BadInput if a file cannot be read as rows.
    """
    files, notes = expand(files)
    mapped = parse_mapping(mapping)
    what = what or guess_content(_first_row(files, mapped))
    reading = Reading(what, form, mapped)
    survey, meter = Survey(reading), Meter([file.source for file in files])
    formats, shown, wrong = Counter[str](), list[dict](), list[dict]()
    twice = _Twice(what, store)
    for file in files:
        for checked in check_rows(file, reading, meter):
            survey.add(checked)
            if not (survey.good + survey.bad) % AT_ONCE:
                progress("read", survey.good + survey.bad, meter.share)
            if checked.tracked:
                formats[checked.tracked.form] += 1
            for good in checked.good:
                shown += [_kept(good.shape)] if len(shown) < SHOWN else []
                twice.add(good)
            if checked.reason and len(wrong) < SHOWN:
                wrong.append({"file": file.name, "line": checked.line, "reason": checked.reason})
    first_bad = str(survey.refusal(files)) if survey.bad or not survey.good else None
    votes = survey.votes if what == "preferences" else 0, survey.rankings, len(survey.labelers - {""})
    counts = (dict(formats), survey.good, survey.bad, *votes, twice.count(), twice.near())
    told = [*notes, *notes_of(files)]
    return Preview(what, *counts, first_bad, shown, wrong, **survey.report(), file_notes=told)


class Sample(NamedTuple):
    """The first rows of a file under a mapping: as stored, the reasons of bad ones, and an example of each column."""

    what: str
    shown: list[dict]
    wrong: list[dict]
    examples: dict[str, str]


def sample_rows(file: ImportFile, what: str | None, mapping: str, size: int = 3) -> Sample:
    """Read the first rows of a file. Raises BadInput if it cannot be read, or for a text that is no mapping."""
    mapped = parse_mapping(mapping)
    files = expand([file]).files
    what = what or guess_content(_first_row(files, mapped))
    shown, wrong, examples = list[dict](), list[dict](), dict[str, str]()
    rows = (checked for part in files for checked in check_rows(part, Reading(what, AUTO, mapped)))
    for checked in islice(rows, size):
        shown += [_kept(good.shape) for good in checked.good]
        if checked.reason:
            wrong.append({"file": file.name, "line": checked.line, "reason": checked.reason})
        for name, value in checked.row.items():
            examples[str(name)] = examples.get(str(name)) or str("" if value is None else value)[:EXAMPLE]
    return Sample(what, shown, wrong, examples)


def _first_row(files: Sequence[ImportFile], mapping: Mapping[str, Mapped]) -> Mapping[str, Any]:
    """Return the first row of the files under the names of the mapping; without one, no columns."""
    first = next((each for file in files for each in islice(check_rows(file, Reading("prompts")), 1)), None)
    if first is None or not mapping:
        return first.row if first else {}
    try:
        row = apply_mapping(first.row, mapping)
    except BadRow:
        return first.row
    return {name: row.peek(name) for name in row}


class _Twice:
    """Counts duplicates: rows that occur earlier in the files, or in the store."""

    def __init__(self, what: str, store: Store | None) -> None:
        self._what, self._store = what, store
        self._seen, self._duplicate = Occurrences(), 0
        self._waiting: list[str] = []
        self._texts: list[str] = []
        self._size = 0

    def add(self, good: ImportRow) -> None:
        """Check one row."""
        identity = _identity(good, self._what)
        if self._seen.before(identity):
            self._duplicate += 1
            return
        self._waiting.append(identity)
        if len(self._waiting) == AT_ONCE:
            self._ask()
        if len(self._texts) < COMPARED and self._size < LONGEST:
            self._texts.append(_text(good.shape))
            self._size += good.size

    def count(self) -> int:
        """Return the number of duplicates."""
        self._ask()
        return self._duplicate

    def near(self) -> int:
        """Return the number of rows that nearly repeat an earlier one of the files."""
        firsts = find_near_duplicates(self._texts)
        return sum(int(first) != place for place, first in enumerate(firsts))

    def _ask(self) -> None:
        if self._store is not None and self._what in KNOWN:
            self._duplicate += len(self._store.rows(KNOWN[self._what], [canonical_json(self._waiting)]))
        self._waiting.clear()


def _identity(good: ImportRow, what: str) -> str:
    """Return the key by which an import treats two rows as equal."""
    shape = good.shape
    if isinstance(shape, PromptShape):
        return prompt_hash(shape.text, shape.messages)
    if isinstance(shape, InstructionShape):
        return instruction_hash(shape.instruction, shape.input, shape.output, shape.messages)
    if isinstance(shape, CompletionShape):
        return content_hash(prompt_hash(shape.prompt.text, shape.prompt.messages), shape.model, shape.text)
    return good.hash


def _text(shape: Shape | RankingShape) -> str:
    """Return the text of a row that is compared with others."""
    if isinstance(shape, PromptShape):
        return shape.text
    if isinstance(shape, InstructionShape):
        return f"{shape.instruction}\n{shape.input}\n{shape.output}"
    if isinstance(shape, CompletionShape):
        return f"{shape.prompt.text}\n{shape.text}"
    judged = shape.pair if isinstance(shape, PreferenceShape) else shape
    return "\n".join([judged.prompt.text, *(text for text, _ in judged.answers)])


def _kept(shape: Shape | RankingShape) -> dict:
    """Return a shape's texts by name, without empty ones."""
    judged = shape.pair if isinstance(shape, PreferenceShape) else shape
    return {name: value for name, value in asdict(judged).items() if value not in (None, "", (), [])}
