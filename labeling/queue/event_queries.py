# SPDX-License-Identifier: Apache-2.0
"""Queries on the events of one assignment or one labeler: the latest event, skips, counts."""

from __future__ import annotations

from data.clock import now
from data.records import Comparison
from data.store import Store
from data.tables.assignments import Assignment
from data.tables.rankings import Ranking
from data.tables.verdicts import WITHDRAWN

NOT_SUPERSEDED = "NOT EXISTS (SELECT 1 FROM {table} AS later WHERE later.supersedes = c.id)"
Event = Comparison | Ranking


class EventQueries:
    """Reads events, and records skips; the tables of comparisons and rankings record answers."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def find(self, id: str) -> Event | None:
        """Return the event with this id, None if there is none."""
        sql = """SELECT 'comparisons' FROM comparisons WHERE id = ?1
            UNION ALL SELECT 'rankings' FROM rankings WHERE id = ?1"""
        table = self.store.value(sql, [id])
        return self._get(table, id) if table else None

    def latest_event(self, assignment: Assignment) -> Event | None:
        """Return the assignment's event that nothing supersedes, withdrawals included.

        None if it was never answered.
        """
        table, key = ("rankings", "task_id") if assignment.task_id else ("comparisons", "pair_id")
        sql = f"""SELECT c.id FROM {table} AS c WHERE c.{key} = ? AND c.assignment_id = ?
            AND {NOT_SUPERSEDED.format(table=table)}"""
        return self._get(table, self.store.value(sql, [getattr(assignment, key), assignment.id]))

    def latest_answer(self, labeler_id: int, *, rankings: bool = False) -> Event | None:
        """Return the labeler's newest current answer."""
        tables = ("comparisons", "rankings") if rankings else ("comparisons",)
        events = [event for table in tables if (event := self._get(table, self._newest(table, labeler_id)))]
        return max(events, key=lambda event: event.created_at, default=None)

    def count_answers(self, labeler_id: int, since: str) -> tuple[int, int]:
        """Count the labeler's current answers: those since `since`, and all."""
        recent = "SELECT count(*) AS n FROM {} WHERE labeler_id = :labeler AND created_at >= :since"
        sql = (
            f"SELECT sum(n) FROM ({recent.format('current_comparisons')} UNION ALL {recent.format('current_rankings')})"
        )
        total = self.store.value("SELECT coalesce(sum(answers), 0) FROM tallies WHERE labeler_id = ?", [labeler_id])
        return self.store.value(sql, {"labeler": labeler_id, "since": since}), total

    def is_skipped(self, assignment: str) -> bool:
        """Return whether the labeler skipped this assignment."""
        return self.store.value("SELECT 1 FROM skips WHERE assignment_id = ?", [assignment]) is not None

    def skipped_after(self, event: Event) -> str | None:
        """Return the assignment that the event's labeler skipped last, if that was after the event."""
        sql = """SELECT s.assignment_id FROM assignments AS a CROSS JOIN skips AS s ON s.assignment_id = a.id
            WHERE a.labeler_id = ? AND a.done AND s.created_at > ? ORDER BY s.rowid DESC LIMIT 1"""
        return self.store.value(sql, [event.labeler_id, event.created_at])

    def record_skip(self, assignment: str, reason: str, kind: str) -> None:
        """Record that the labeler skipped the item ('skip') or flagged it ('flag'), with the reason."""
        self.store.insert("skips", {"assignment_id": assignment, "kind": kind, "reason": reason, "created_at": now()})

    def _newest(self, table: str, labeler_id: int) -> str | None:
        sql = f"""SELECT c.id FROM {table} AS c WHERE c.labeler_id = ? AND c.assignment_id IS NOT NULL
            AND c.verdict != '{WITHDRAWN}' AND {NOT_SUPERSEDED.format(table=table)} ORDER BY c.rowid DESC LIMIT 1"""
        return self.store.value(sql, [labeler_id])

    def _get(self, table: str, id: str | None) -> Event | None:
        return None if id is None else getattr(self.store, table).get(id)
