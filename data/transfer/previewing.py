"""What is in files before they are imported: counts, the first rows as they would be kept, and what is there already. Nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any, NamedTuple

from data.formats import AUTO, detect_format, guess_content
from data.formats.opening import Meter
from data.formats.shapes import CompletionShape, InstructionShape, PreferenceShape, PromptShape
from data.ids import canonical_json, content_hash
from data.selection.near_duplicates import find_near_duplicates
from data.store import Store
from data.tables.instructions import instruction_hash
from data.tables.prompts import prompt_hash
from data.transfer.import_survey import ImportFile, Survey, check_rows
from data.transfer.import_target import ImportRow
from data.transfer.occurrence_counts import Occurrences
from data.transfer.progress_bar import Progress, ignore_progress

SHOWN = 5
COMPARED = 5000
"""Rows among which near-duplicates are looked for, which takes a second; of a larger file its first ones."""
AT_ONCE = 250
KNOWN = {  # which of these identities the store has
    "prompts": "SELECT hash FROM prompts WHERE hash IN (SELECT value FROM json_each(?))",
    "instructions": "SELECT hash FROM instructions WHERE hash IN (SELECT value FROM json_each(?))",
    "preferences": "SELECT source_hash FROM comparisons WHERE source_hash IN (SELECT value FROM json_each(?))",
}


class Preview(NamedTuple):
    """What a person sees before an import. `first_bad` is one line, None where every row is good.

    `shown`: the first good rows as they would be kept; `wrong`: the first bad ones as {file, line, reason}. `duplicate`: good rows that an
    earlier one or the store has already; `near`: others, among the first `COMPARED`, that nearly repeat an earlier one.
    """

    what: str
    formats: dict[str, int]
    good: int
    bad: int
    comparisons: int
    labelers: int
    duplicate: int
    near: int
    first_bad: str | None
    shown: list[dict]
    wrong: list[dict]


def preview(
    files: Sequence[ImportFile],
    what: str | None = None,
    form: str = AUTO,
    store: Store | None = None,
    progress: Progress = ignore_progress,
) -> Preview:
    """What is in the files; without `what` it is guessed from the first row, without a store only the files are looked at for duplicates.

    Raises BadInput where a file cannot be read as rows at all.
    """
    what = what or guess_content(
        next((checked.row for file in files for checked in islice(check_rows(file, "prompts", AUTO), 1)), {})
    )
    survey, formats, shown, wrong, meter = Survey(), Counter(), [], [], Meter([file.path for file in files])
    twice = _Twice(what, store)
    for file in files:
        for checked in check_rows(file, what, form, meter):
            survey.add(checked)
            if not (survey.good + survey.bad) % AT_ONCE:
                progress("read", survey.good + survey.bad, meter.share)
            if checked.good:
                formats[detect_format(checked.row) if form == AUTO else form] += 1
                shown += [_kept(checked.good.shape)] if len(shown) < SHOWN else []
                twice.add(checked.good)
            elif len(wrong) < SHOWN:
                wrong.append({"file": file.name, "line": checked.line, "reason": checked.reason})
    first_bad = str(survey.refusal(what, files)) if survey.bad or not survey.good else None
    told = survey.votes if what == "preferences" else 0, len(survey.labelers - {""})
    return Preview(
        what, dict(formats), survey.good, survey.bad, *told, twice.count(), twice.near(), first_bad, shown, wrong
    )


class _Twice:
    """Counts rows that are there already: earlier in the files, or in the store."""

    def __init__(self, what: str, store: Store | None) -> None:
        self._what, self._store = what, store
        self._seen, self._duplicate = Occurrences(), 0
        self._waiting: list[str] = []
        self._texts: list[str] = []

    def add(self, good: ImportRow) -> None:
        """Look at one row."""
        identity = _identity(good, self._what)
        if self._seen.before(identity):
            self._duplicate += 1
            return
        self._waiting.append(identity)
        if len(self._waiting) == AT_ONCE:
            self._ask()
        if len(self._texts) < COMPARED:
            self._texts.append(_text(good.shape))

    def count(self) -> int:
        """Rows that were there already."""
        self._ask()
        return self._duplicate

    def near(self) -> int:
        """Rows that nearly repeat an earlier one of the files."""
        firsts = find_near_duplicates(self._texts)
        return sum(int(first) != place for place, first in enumerate(firsts))

    def _ask(self) -> None:
        if self._store is not None and self._what in KNOWN:
            self._duplicate += len(self._store.rows(KNOWN[self._what], [canonical_json(self._waiting)]))
        self._waiting.clear()


def _identity(good: ImportRow, what: str) -> str:
    """What makes two rows one when they are imported."""
    shape = good.shape
    if isinstance(shape, PromptShape):
        return prompt_hash(shape.text)
    if isinstance(shape, InstructionShape):
        return instruction_hash(shape.instruction, shape.input, shape.output)
    if isinstance(shape, CompletionShape):
        return content_hash(prompt_hash(shape.prompt.text), shape.model, shape.text)
    return good.hash


def _text(shape: Any) -> str:
    """What of a row is compared with others for likeness."""
    if isinstance(shape, PromptShape):
        return shape.text
    if isinstance(shape, InstructionShape):
        return f"{shape.instruction}\n{shape.input}\n{shape.output}"
    if isinstance(shape, CompletionShape):
        return f"{shape.prompt.text}\n{shape.text}"
    judged = shape.pair if isinstance(shape, PreferenceShape) else shape
    return "\n".join([judged.prompt.text, *(text for text, _ in judged.answers)])


def _kept(shape: Any) -> dict:
    """A shape's texts by name, without what it does not say."""
    judged = shape.pair if isinstance(shape, PreferenceShape) else shape
    return {name: value for name, value in asdict(judged).items() if value not in (None, "", (), [])}
