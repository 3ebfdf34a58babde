"""What the events say about one assignment or one labeler: the last word, skips, counts."""

from __future__ import annotations

from data.clock import now
from data.records import Comparison
from data.store import Store
from data.verdicts import WITHDRAWN

LAST = "NOT EXISTS (SELECT 1 FROM comparisons AS later WHERE later.supersedes = c.id)"


class Ledger:
    """Reads events, and writes skips; comparisons are written by `store.comparisons.record`."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def find(self, id: str) -> Comparison | None:
        """The comparison of this id, if there is one."""
        return self._one("SELECT id FROM comparisons WHERE id = ?", id)

    def last_word(self, assignment: str, pair_id: int) -> Comparison | None:
        """The assignment's event that nothing supersedes, a withdrawal included; None where it was never answered."""
        return self._one(
            f"SELECT c.id FROM comparisons AS c WHERE c.pair_id = ? AND c.assignment_id = ? AND {LAST}", pair_id, assignment
        )

    def last_of(self, labeler_id: int) -> Comparison | None:
        """The labeler's newest comparison that still holds."""
        sql = f"SELECT c.id FROM comparisons AS c WHERE c.labeler_id = ? AND c.assignment_id IS NOT NULL AND c.verdict != '{WITHDRAWN}' AND {LAST}"
        return self._one(f"{sql} ORDER BY c.rowid DESC LIMIT 1", labeler_id)

    def count_of(self, labeler_id: int, since: str) -> tuple[int, int]:
        """How many of the labeler's comparisons hold: those made from `since` on, and all."""
        sql = (
            "SELECT coalesce(sum(created_at >= ?), 0) AS recent, count(*) AS total FROM current_comparisons WHERE labeler_id = ?"
        )
        row = self.store.row(sql, [since, labeler_id])
        return row["recent"], row["total"]

    def is_skipped(self, assignment: str) -> bool:
        """Whether the labeler let this assignment go."""
        return self.store.value("SELECT 1 FROM skips WHERE assignment_id = ?", [assignment]) is not None

    def skip(self, assignment: str, reason: str) -> None:
        """Write down that the labeler let it go, and why."""
        self.store.insert("skips", {"assignment_id": assignment, "reason": reason, "created_at": now()})

    def _one(self, sql: str, *values: object) -> Comparison | None:
        id = self.store.value(sql, values)
        return None if id is None else self.store.comparisons.get(id)
