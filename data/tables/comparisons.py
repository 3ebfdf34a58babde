# SPDX-License-Identifier: Apache-2.0
"""Comparisons: append-only events. A correction is a row that supersedes one, an undo supersedes it as 'withdrawn'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, Unpack

from data.clock import now
from data.errors import BadInput, Refused
from data.records import Comparison
from data.sqlite.schema.projects import STANDARD_PROJECT
from data.sqlite.table import Table
from data.tables.completions import Completions
from data.tables.demonstrations import Demonstrations
from data.tables.imports import IMPORT_DONE
from data.tables.verdicts import VERDICTS, WITHDRAWN, outcome

COLUMNS = (
    "id",
    "assignment_id",
    "pair_id",
    "labeler_id",
    "left_id",
    "right_id",
    "verdict",
    "winner_id",
    "margin",
    "late",
    "supersedes",
    "source",
    "source_hash",
    "project_id",
    "guideline_version",
    "seconds",
    "created_at",
    "import_id",
)
ASPECT_COLUMNS = ("comparison_id", "aspect", "choice")
EDIT_COLUMNS = ("comparison_id", "edited_id", "completion_id", "labeler_id")


class NewComparison(TypedDict):
    """A new comparison. The client generates `id`; the winner and the margin follow from the verdict."""

    id: str
    pair_id: int
    labeler_id: int
    left_id: str
    right_id: str
    verdict: str
    source: str
    assignment_id: NotRequired[str | None]
    supersedes: NotRequired[str | None]
    late: NotRequired[bool]
    source_hash: NotRequired[str | None]
    project_id: NotRequired[int]
    guideline_version: NotRequired[int]
    seconds: NotRequired[float | None]
    rationale: NotRequired[str | None]
    aspects: NotRequired[Mapping[str, str]]  # aspect -> left, tie or right
    edit: NotRequired[tuple[str, str] | None]  # the completion that was made better, and its better text
    import_id: NotRequired[int | None]


@dataclass(frozen=True, slots=True)
class Edit:
    """An answer that a labeler improved: the original, the improved completion, its text and its author."""

    comparison_id: str
    edited_id: str
    completion_id: str
    labeler_id: int
    text: str


class Comparisons(Table):
    """Comparisons of people and, marked, of simulated labelers and imported files."""

    def record(self, **event: Unpack[NewComparison]) -> bool:
        """Append one event; return False if this id, or this imported row, exists already.

        Idempotent: the client generates the id. The session checks who may answer. An edit becomes a completion of its own,
        by the labeler. Raises BadInput for an unknown verdict. Raises Refused if the id belongs to another answer, the
        assignment has its first answer, or the superseded event is superseded already.
        """
        row = _row(event)
        with self._store.transaction():
            if self._known(row):
                return False
            self._refuse_second_answer(row)
            self._store.insert("comparisons", row)
            if event.get("rationale"):
                self._store.insert("rationales", {"comparison_id": row["id"], "text": event["rationale"]})
            if event.get("aspects"):
                aspects = [(row["id"], aspect, choice) for aspect, choice in event["aspects"].items()]
                self._store.insert_many("comparison_aspects", ASPECT_COLUMNS, aspects)
            if edit := event.get("edit"):
                self._add_edit(row, *edit)
        return True

    def prepare(self, events: Iterable[NewComparison]) -> list[tuple]:
        """Return imported events ready for `record_many`. Needs no lock. Raises BadInput for an unknown verdict."""
        rows = [_row(event) for event in events]
        return [tuple(row[name] for name in COLUMNS) for row in rows]

    def record_many(
        self,
        prepared: Sequence[tuple],
        aspects: Sequence[tuple[str, str, str]] = (),
        edits: Sequence[tuple[str, str, str, int]] = (),
    ) -> int:
        """Append prepared events, their aspects and edits in one short commit, the only step that labelers wait for.

        `aspects` are (event, aspect, choice); `edits` are as in EDIT_COLUMNS, with completions that exist, and wait for
        no review. Returns the number of new events; known ids and source rows are skipped. Rationales of imported rows
        are dropped.
        """
        with self._store.transaction():
            added = self._store.insert_many("comparisons", COLUMNS, prepared)
            self._store.insert_many("comparison_aspects", ASPECT_COLUMNS, aspects)
            self._store.insert_many("edits", EDIT_COLUMNS, edits)
        return added

    def get(self, id: str) -> Comparison:
        """Return the event. Raises BadInput if there is none."""
        row = self._store.maybe("SELECT * FROM comparisons WHERE id = ?", [id])
        if row is None:
            raise BadInput.of("error.no_comparison", id=id)
        return _comparison(row)

    def rationale(self, id: str) -> str | None:
        """Return the labeler's rationale; None if there is none or it was erased."""
        return self._store.value("SELECT text FROM rationales WHERE comparison_id = ?", [id])

    def aspects(self, id: str) -> dict[str, str]:
        """Return the choice for each aspect: left, tie or right."""
        rows = self._store.rows(
            "SELECT aspect, choice FROM comparison_aspects WHERE comparison_id = ? ORDER BY aspect", [id]
        )
        return {row["aspect"]: row["choice"] for row in rows}

    def edit(self, id: str) -> Edit | None:
        """Return the labeler's improved answer; None if there is none or it was erased."""
        sql = "SELECT e.*, c.text FROM edits AS e JOIN completions AS c ON c.id = e.completion_id WHERE e.comparison_id = ?"
        row = self._store.maybe(sql, [id])
        return Edit(**row) if row else None

    def current(
        self, *, labeler_id: int | None = None, pair_id: int | None = None, source: str | None = None
    ) -> list[Comparison]:
        """Return the current comparisons, neither superseded nor withdrawn, in the order of the events.

        The arguments limit them.
        """
        wanted = {"labeler_id": labeler_id, "pair_id": pair_id, "source": source}
        where = "".join(f" AND {name} = :{name}" for name, value in wanted.items() if value is not None)
        sql = f"SELECT * FROM current_comparisons WHERE 1{where} ORDER BY created_at, id"
        return [_comparison(row) for row in self._store.rows(sql, wanted)]

    def events(self) -> list[Comparison]:
        """Return every event in order, with superseded and withdrawn ones, without those of unfinished imports."""
        return [
            _comparison(row)
            for row in self._store.rows(f"SELECT * FROM comparisons WHERE {IMPORT_DONE} ORDER BY rowid")
        ]

    def count(self, source: str | None = None, since: str = "") -> int:
        """Count the current comparisons, in all or of one source, after the moment `since` if given.

        Uses hourly counts (`data.sqlite.schema.counts`) and reads only the rows of one hour.
        """
        hours = self._store.value(HOURS, [source, since])
        return hours + (self._store.value(WITHIN_HOUR, [source, since]) if since else 0)

    def _known(self, row: Mapping[str, Any]) -> bool:
        sql = "SELECT * FROM comparisons WHERE id = ? OR source_hash = ?"
        old = self._store.maybe(sql, [row["id"], row["source_hash"]])
        same = ("pair_id", "labeler_id", "left_id", "verdict", "supersedes")
        if old is None or old["source_hash"] is not None and old["source_hash"] == row["source_hash"]:
            return old is not None
        if any(old[name] != row[name] for name in same):
            raise Refused.of("error.answer_differs", field="id", id=row["id"])
        return True

    def _add_edit(self, row: Mapping[str, Any], edited_id: str, text: str) -> None:
        name = f"edit by labeler {row['labeler_id']}"
        prompt_id = self._store.value("SELECT prompt_id FROM pairs WHERE id = ?", [row["pair_id"]])
        (completion_id,) = Completions(self._store).add_many(
            [{"prompt_id": prompt_id, "model_name": name, "text": text}]
        )
        ids = {
            "comparison_id": row["id"],
            "edited_id": edited_id,
            "completion_id": completion_id,
            "labeler_id": row["labeler_id"],
        }
        self._store.insert("edits", ids)
        Demonstrations(self._store).add_edit(row, prompt_id, text)

    def _refuse_second_answer(self, row: Mapping[str, Any]) -> None:
        if row["supersedes"] is not None:
            old = self._store.maybe("SELECT pair_id FROM comparisons WHERE id = ?", [row["supersedes"]])
            successor = self._store.value("SELECT id FROM comparisons WHERE supersedes = ?", [row["supersedes"]])
            if old is None or successor or old["pair_id"] != row["pair_id"]:
                raise Refused.of("error.answer_not_current", field="supersedes", id=row["supersedes"])
        elif row["assignment_id"] is not None:
            sql = "SELECT id FROM comparisons WHERE assignment_id = ? AND supersedes IS NULL"
            if self._store.value(sql, [row["assignment_id"]]):
                raise Refused.of("error.assignment_answered", id=row["assignment_id"])


HOURS = f"""SELECT coalesce(sum(n), 0) FROM (SELECT n, nullif(import_id, 0) AS import_id FROM comparison_counts
    WHERE (?1 IS NULL OR source = ?1) AND hour > substr(?2, 1, 13)) WHERE {IMPORT_DONE}"""
WITHIN_HOUR = """SELECT count(*) FROM current_comparisons
    WHERE (?1 IS NULL OR source = ?1) AND created_at > ?2 AND created_at < substr(?2, 1, 13) || '~'"""


def _row(event: NewComparison) -> dict[str, Any]:
    if event["verdict"] not in (*VERDICTS, WITHDRAWN):
        raise BadInput.of("error.verdict", field="verdict", verdict=event["verdict"], known=", ".join(VERDICTS))
    side, margin = outcome(event["verdict"])
    defaults = {
        "assignment_id": None,
        "supersedes": None,
        "late": False,
        "source_hash": None,
        "seconds": None,
        "import_id": None,
    }
    row: dict[str, Any] = {**defaults, "project_id": STANDARD_PROJECT[0], "guideline_version": 1, **event}
    for side_table in ("rationale", "aspects", "edit"):
        row.pop(side_table, None)
    winner = {"left": row["left_id"], "right": row["right_id"], None: None}[side]
    return row | {"late": int(row["late"]), "winner_id": winner, "margin": margin, "created_at": now()}


def _comparison(row: Mapping[str, Any]) -> Comparison:
    fields = {name: row[name] for name in Comparison.__dataclass_fields__}
    return Comparison(**{**fields, "late": bool(row["late"])})
