# SPDX-License-Identifier: Apache-2.0
"""Excluded labelers. Their comparisons stay, but no preference export and no training uses them."""

from __future__ import annotations

from dataclasses import dataclass

from data.clock import now
from data.errors import BadInput
from data.sqlite.table import Table
from data.tables.adjudications import rebuild_disputes
from data.tables.audit import Audit

REASON_LENGTH = 500


@dataclass(frozen=True, slots=True)
class ExcludedLabeler:
    """An excluded labeler, with the time, the actor and the reason."""

    labeler_id: int
    name: str
    reason: str
    actor: str
    created_at: str


class ExcludedLabelers(Table):
    """Append-only: excluding and including are rows; the newest row of a labeler counts."""

    def all(self) -> list[ExcludedLabeler]:
        """Return the labelers excluded now, by name."""
        sql = "SELECT s.labeler_id, a.name, s.reason, s.actor, s.created_at FROM labelers_aside AS s JOIN accounts AS a ON a.id = s.labeler_id"
        return [ExcludedLabeler(**row) for row in self._store.rows(f"{sql} ORDER BY a.name")]

    def exclude(self, name: str, reason: str, *, by: str) -> None:
        """Exclude a labeler.

        Raises BadInput for an unknown name, an empty reason, or a labeler who is excluded already.
        """
        reason = reason.strip()
        if not 0 < len(reason) <= REASON_LENGTH:
            raise BadInput.of("error.exclusion_reason", most=REASON_LENGTH, field="reason")
        self._write(name, 1, reason, by)

    def include(self, name: str, reason: str = "", *, by: str) -> None:
        """Let the labeler's comparisons count again. Raises BadInput for an unknown name, or one who is not excluded."""
        self._write(name, 0, reason.strip()[:REASON_LENGTH], by)

    def _write(self, name: str, excluded: int, reason: str, by: str) -> None:
        with self._store.transaction():
            id = self._store.value("SELECT id FROM accounts WHERE name = ?", [name])
            if id is None:
                raise BadInput.of("error.labeler_unknown", labeler=name, field="name")
            if (self._store.value("SELECT 1 FROM labelers_aside WHERE labeler_id = ?", [id]) is not None) == bool(
                excluded
            ):
                raise BadInput.of(f"error.labeler_{'excluded' if excluded else 'included'}", labeler=name, field="name")
            self._store.insert(
                "set_asides", {"labeler_id": id, "aside": excluded, "reason": reason, "actor": by, "created_at": now()}
            )
            rebuild_disputes(self._store, [id])
            Audit(self._store).add(
                by, "set labeler aside" if excluded else "take labeler in", labeler=id, reason=reason
            )
