# SPDX-License-Identifier: Apache-2.0
"""Ratings of instruction rows: their quality as training data, 0 to 5.

Events: a correction is a row that supersedes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from data.clock import now
from data.errors import BadInput, Refused
from data.sqlite.schema.projects import STANDARD_PROJECT
from data.sqlite.table import Table
from data.tables.imports import import_done
from data.tables.retractions import not_retracted

RUBRIC_VERSION = 1
"""Of the rubric in labeling/texts/rating.py; a rating says by which one it was given."""
SHARED = "0"
"""Rows whose hash ends in this digit, one in 16, are rated by two people: their agreement follows from these."""
Source = Literal["person", "simulated", "all"]


@dataclass(frozen=True, slots=True)
class Rating:
    """One current rating; `score` None: this person cannot tell."""

    id: str
    instruction_id: int
    labeler_id: int
    score: int | None
    source: str
    created_at: str


class Ratings(Table):
    """Ratings of instruction rows."""

    def add(self, id: str, instruction_id: int, labeler_id: int, score: int | None) -> Rating:
        """Record a rating, on the disk when this returns.

        A repeated call changes nothing; another score of the same person supersedes.

        Raises BadInput for a score outside 0 to 5 or an unknown row, Refused for a row that never trains, an id
        that was used, or if `may_rate` is false.
        """
        if score is not None and score not in range(6):
            raise BadInput.of("error.rating_score", field="score", score=score)
        with self._store.transaction():
            row = self._store.instructions.get(instruction_id)  # type: ignore[attr-defined]  # a Store at run time
            if row.split != "train":
                raise Refused.of("error.rating_row", instruction_id=instruction_id, split=row.split)
            old = self._store.maybe("SELECT * FROM ratings WHERE id = ?", [id])
            if old is None:
                if not self.may_rate(labeler_id):
                    raise Refused.of("error.rating_people", field="project")
                return self._insert(id, instruction_id, labeler_id, score)
            if (old["instruction_id"], old["labeler_id"], old["score"]) != (instruction_id, labeler_id, score):
                raise Refused.of("error.rating_differs", id=id)
            return _rating(old)

    def current(self, source: Source = "all", last: int = 0) -> list[Rating]:
        """Return the current ratings with a score, oldest first, by people, simulated raters or all.

        With `last`, return those that were current when the rating of that number was the newest.
        """
        sql = """SELECT r.* FROM ratings AS r WHERE score IS NOT NULL AND (?1 = 'all' OR source = ?1)
            AND (?2 = 0 OR r.rowid <= ?2) AND NOT EXISTS (
                SELECT 1 FROM ratings AS later WHERE later.supersedes = r.id AND (?2 = 0 OR later.rowid <= ?2)
            ) ORDER BY r.rowid"""
        return [_rating(row) for row in self._store.rows(sql, [source, last])]

    def last_number(self) -> int:
        """Return the number of the newest rating; 0 without one."""
        return self._store.value("SELECT coalesce(max(rowid), 0) FROM ratings")

    def may_rate(self, labeler_id: int) -> bool:
        """Return whether this rater may rate: instruction rows belong to the Standard project.

        The program that starts simulated raters admits them.
        """
        account = self._store.accounts.get(labeler_id)  # type: ignore[attr-defined]  # a Store at run time
        return account.simulated or any(
            project.id == STANDARD_PROJECT[0]
            for project in self._store.projects.open_for(account)  # type: ignore[attr-defined]  # a Store at run time
        )

    def next_row(self, labeler_id: int) -> int | None:
        """Return the next unrated row of the train split for this rater, in a shared order by hash.

        Rows with SHARED may have one rating.

        People and simulated raters do not use up each other's rows: a row that only simulated raters rated still
        waits for a person. None if nothing is left, and for whom `may_rate` is false. Rows are not held: two people
        at one row at once make it one that two have rated.
        """
        if not self.may_rate(labeler_id):
            return None
        sql = f"""SELECT i.id FROM instructions AS i CROSS JOIN prompts AS p ON p.id = i.prompt_id  -- in the order of the hashes
            WHERE p.split = 'train' AND {import_done("i")} AND {not_retracted("instruction", "i.id")}
            AND NOT EXISTS (SELECT 1 FROM ratings AS r WHERE r.instruction_id = i.id AND r.labeler_id = ?1)
            AND (SELECT count(*) FROM ratings AS r WHERE r.instruction_id = i.id AND r.supersedes IS NULL AND r.source = ?2)
                < CASE WHEN i.hash LIKE '%{SHARED}' THEN 2 ELSE 1 END
            ORDER BY i.hash LIMIT 1"""
        return self._store.value(sql, [labeler_id, self._source(labeler_id)])

    def newest(self, labeler_id: int) -> Rating | None:
        """Return this person's newest rating."""
        row = self._store.maybe(
            "SELECT * FROM current_ratings WHERE labeler_id = ? ORDER BY number DESC LIMIT 1", [labeler_id]
        )
        return None if row is None else _rating(row)

    def counts(self) -> dict[str, int]:
        """Count the current scores, by source."""
        rows = self._store.rows(
            "SELECT source, count(*) AS n FROM current_ratings WHERE score IS NOT NULL GROUP BY source"
        )
        return {"person": 0, "simulated": 0} | {row["source"]: row["n"] for row in rows}

    def count_by(self, labeler_id: int) -> int:
        """Count the rows that this person rated or skipped."""
        return self._store.value("SELECT count(*) FROM current_ratings WHERE labeler_id = ?", [labeler_id])

    def _insert(self, id: str, instruction_id: int, labeler_id: int, score: int | None) -> Rating:
        earlier = self._store.maybe(
            "SELECT * FROM current_ratings WHERE instruction_id = ? AND labeler_id = ?", [instruction_id, labeler_id]
        )
        row = {
            "id": id,
            "instruction_id": instruction_id,
            "labeler_id": labeler_id,
            "score": score,
            "source": self._source(labeler_id),
        }
        about = {"rubric_version": RUBRIC_VERSION, "supersedes": earlier and earlier["id"], "created_at": now()}
        self._store.insert("ratings", row | about)
        return _rating(row | about)

    def _source(self, labeler_id: int) -> str:
        return "simulated" if self._store.accounts.get(labeler_id).simulated else "person"  # type: ignore[attr-defined]  # a Store at run time


def _rating(row: Mapping[str, Any]) -> Rating:
    return Rating(**{name: row[name] for name in Rating.__dataclass_fields__})
