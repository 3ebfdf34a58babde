# SPDX-License-Identifier: Apache-2.0
"""Adjudications: a researcher's verdict on a pair on which people disagree, which replaces their comparisons.

Append-only like comparisons: a withdrawal adds a row. `disputes`, the pairs that wait, is derived: triggers update it
with each comparison, and `rebuild_disputes` recreates it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.clock import now
from data.errors import BadInput, Refused
from data.sqlite.schema.quality import DISPUTED
from data.sqlite.sql import Sql
from data.sqlite.table import Table
from data.tables.verdicts import VERDICTS, WITHDRAWN, outcome

OPEN = """FROM disputes AS x JOIN pairs AS p ON p.id = x.pair_id
    WHERE NOT EXISTS (SELECT 1 FROM current_adjudications AS d WHERE d.pair_id = x.pair_id)
    AND NOT EXISTS (SELECT 1 FROM gold WHERE gold.pair_id = x.pair_id) AND (?1 IS NULL OR p.project_id = ?1)"""

OPEN_COUNT = """SELECT (SELECT count(*) FROM disputes) - (SELECT count(*) FROM
    (SELECT pair_id FROM current_adjudications UNION SELECT pair_id FROM gold) WHERE pair_id IN (SELECT pair_id FROM disputes))"""
"""Counts without reading each dispute: there may be very many, and few are decided."""


@dataclass(frozen=True, slots=True)
class Adjudication:
    """A verdict on a disputed pair. `votes_seen`: the adjudicator saw the labelers' verdicts first."""

    id: str
    pair_id: int
    adjudicator_id: int
    left_id: str
    right_id: str
    verdict: str
    winner_id: str | None
    margin: int
    votes_seen: bool
    supersedes: str | None
    project_id: int
    guideline_version: int
    created_at: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A new adjudication. The client generates `id`; the sides are those on the screen."""

    id: str
    pair_id: int
    adjudicator_id: int
    left_id: str
    right_id: str
    verdict: str
    votes_seen: bool


class Adjudications(Table):
    """Disputed pairs and the verdicts on them."""

    def open_count(self, project_id: int | None = None) -> int:
        """Count the waiting disputed pairs, without gold items."""
        if project_id is None:
            return self._store.value(OPEN_COUNT)
        return self._store.value(f"SELECT count(*) {OPEN}", [project_id])

    def open_pairs(self, project_id: int | None = None, limit: int = 50) -> list[int]:
        """Return the disputed pairs that wait, oldest first."""
        return [
            row["pair_id"]
            for row in self._store.rows(f"SELECT x.pair_id {OPEN} ORDER BY x.pair_id LIMIT ?2", [project_id, limit])
        ]

    def decide(self, decision: Decision) -> bool:
        """Append a verdict; return False if this id exists already.

        Raises BadInput for an unknown verdict, Refused if the pair has a verdict already.
        """
        if decision.verdict not in VERDICTS:
            raise BadInput.of("error.verdict", field="verdict", verdict=decision.verdict, known=", ".join(VERDICTS))
        with self._store.transaction():
            if self._store.value("SELECT 1 FROM adjudications WHERE id = ?", [decision.id]):
                return False
            if self.of_pair(decision.pair_id):
                raise Refused.of("error.adjudicated", pair_id=decision.pair_id)
            self._add(decision, self._last(decision.pair_id))
        return True

    def withdraw(self, id: str, adjudicator_id: int) -> Adjudication:
        """Withdraw an adjudicator's own verdict; its pair waits again.

        Raises Refused for another person's verdict, or one that is not current.
        """
        with self._store.transaction():
            row = self._store.maybe(
                "SELECT * FROM current_adjudications WHERE id = ? AND adjudicator_id = ?", [id, adjudicator_id]
            )
            if row is None:
                raise Refused.of("error.verdict_gone")
            old = _adjudication(row)
            self._add(
                Decision(f"{id}-back", old.pair_id, adjudicator_id, old.left_id, old.right_id, WITHDRAWN, False), id
            )
        return old

    def of_pair(self, pair_id: int) -> Adjudication | None:
        """Return the current verdict on a pair, or None."""
        row = self._store.maybe("SELECT * FROM current_adjudications WHERE pair_id = ?", [pair_id])
        return _adjudication(row) if row else None

    def current(self, limit: int = 1_000_000) -> list[Adjudication]:
        """Return the current verdicts, newest first."""
        return [
            _adjudication(row)
            for row in self._store.rows(
                "SELECT * FROM current_adjudications ORDER BY created_at DESC, id LIMIT ?", [limit]
            )
        ]

    def _last(self, pair_id: int) -> str | None:
        sql = "SELECT id FROM adjudications AS d WHERE pair_id = ? AND NOT EXISTS (SELECT 1 FROM adjudications AS l WHERE l.supersedes = d.id)"
        return self._store.value(sql, [pair_id])

    def _add(self, decision: Decision, supersedes: str | None) -> None:
        side, margin = outcome(decision.verdict)
        project = self._store.value("SELECT project_id FROM pairs WHERE id = ?", [decision.pair_id])
        if project is None:
            raise BadInput.of("error.pair_none", field="pair", pair_id=decision.pair_id)
        version = self._store.value("SELECT max(version) FROM guidelines WHERE project_id = ?", [project])
        row = {
            name: getattr(decision, name)
            for name in ("id", "pair_id", "adjudicator_id", "left_id", "right_id", "verdict")
        } | {
            "winner_id": {"left": decision.left_id, "right": decision.right_id, None: None}[side],
            "margin": margin,
            "votes_seen": int(decision.votes_seen),
            "supersedes": supersedes,
            "project_id": project,
            "guideline_version": version,
            "created_at": now(),
        }
        self._store.insert("adjudications", row)


def rebuild_disputes(store: Sql, labelers: Sequence[int] = ()) -> None:
    """Recreate `disputes` from the events: all of it, or the pairs that these labelers judged."""
    numbers = ", ".join(str(int(labeler)) for labeler in labelers)
    condition = f"pair_id IN (SELECT pair_id FROM comparisons WHERE labeler_id IN ({numbers}))" if labelers else "1"
    with store.transaction():
        store.execute(f"DELETE FROM disputes WHERE {condition}")
        store.execute(DISPUTED.format(pairs=condition if condition == "1" else f"one.{condition}"))


def _adjudication(row: dict) -> Adjudication:
    return Adjudication(**{**row, "votes_seen": bool(row["votes_seen"])})
