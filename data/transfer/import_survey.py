# SPDX-License-Identifier: Apache-2.0
"""Survey of files before their import: totals, the account of columns, and the bad rows by reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from data.errors import BadInput
from data.formats import KEYS
from data.formats.columns import Columns
from data.formats.shapes import PairShape, PreferenceShape, RankingShape
from data.texts import Translatable, join_texts
from data.transfer.checked_rows import CheckedRow, ImportFile, Reading
from data.transfer.import_problems import Problems

MOST_LABELERS = 200
"""Files with more labelers than this (such as an open arena) get one account, so the list of people stays short."""


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
        bad, keys = self.first_bad, KEYS[self.reading.what]
        if bad is None:
            return BadInput.of("error.file_no_rows", keys=keys, file=str(files[0].source))
        others = len(self.problems.report()) - 1
        hint = self.problems.remedy(self.reading.what, self.reading.form)
        if self.good:
            remedies = [hint, Translatable.of("row.skip")]
        else:
            needs = Translatable.of("row.needs", keys=keys)
            remedies = [hint] if hint else [needs, Translatable.of("row.columns") if bad.row else ""]
        return BadInput.of(
            "error.bad_row",
            file=str(bad.file.source),
            line=bad.line,
            field=bad.field,
            reason=bad.reason,
            good=self.good,
            rows=self.good + self.bad,
            others=Translatable.of("row.others", n=others) if others else "",
            remedy=join_texts("sentences", filter(None, remedies)),
        )

    def report(self) -> dict[str, Any]:
        """Return the account of a reading: columns, remarks on rows, and bad rows by reason."""
        return {
            "columns": self.columns.report(),
            "notes": dict(self.columns.notes.most_common()),
            "problems": self.problems.report(),
        }
