"""Which pair goes to whom: leases, their end, and the order of the queue.

An *assignment* is one pair handed to one labeler, with the sides drawn for it; there is at most one for each pair and
labeler, so nobody meets a pair twice. It is a *lease* while `expires_at` lies ahead: answering, skipping and undoing
another item end it early, so a running lease is always unanswered, and each labeler has at most one. People and
simulated labelers do not use up each other's pairs: a pair that only simulated labelers judged still waits for a person.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from data.clock import now
from data.records import Account
from data.store import Store

LEASE_SECONDS = 600
OVERLAP = 1.0

LEASED = """(SELECT count(*) FROM assignments AS a JOIN accounts AS l ON l.id = a.labeler_id
    WHERE a.pair_id = p.id AND a.expires_at > :now AND l.simulated = :simulated)"""
JUDGED = "(SELECT count(*) FROM current_comparisons AS c WHERE c.pair_id = p.id AND c.source = :source)"
# 761 and 1000 share no factor, so consecutive pairs are spread evenly over 0..999
WANTED = ":whole + (p.id * 761 % 1000 < :permille)"
NEEDED = f"{JUDGED} + {LEASED} < {WANTED}"
UNMET = "NOT EXISTS (SELECT 1 FROM assignments AS mine WHERE mine.pair_id = p.id AND mine.labeler_id = :me)"
UNDONE = """NOT EXISTS (SELECT 1 FROM current_comparisons AS c WHERE c.pair_id = a.pair_id AND c.assignment_id = a.id)
    AND NOT EXISTS (SELECT 1 FROM skips AS s WHERE s.assignment_id = a.id)"""
ASSIGNMENT = "a.id, a.pair_id, a.labeler_id, a.left_id, a.right_id, a.expires_at"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A pair in the hands of a labeler; `left_id` and `right_id` are completions."""

    id: str
    pair_id: int
    labeler_id: int
    left_id: str
    right_id: str
    expires_at: str


class Queue:
    """The waiting pairs as one labeler sees them. Every method runs inside the caller's transaction.

    `overlap` is how many labelers a pair needs; 1.1 asks two for one pair in ten, always the same ones.
    """

    def __init__(
        self, store: Store, labeler: Account, *, overlap: float, rng: random.Random, clock: Callable[[], str] = now
    ) -> None:
        self.store = store
        self.labeler = labeler
        self.overlap = overlap
        self.rng = rng
        self.clock = clock

    def lease(self) -> Assignment | None:
        """The labeler's running lease, renewed; else a new pair; else a pair that the labeler let go earlier; else None."""
        assignment = self.running()
        if assignment is None:
            pair = self._fresh_pair()
            assignment = self._assign(*pair) if pair else self._abandoned()
        return self.renew(assignment) if assignment else None

    def running(self) -> Assignment | None:
        """The labeler's lease that has not ended."""
        return self._one(f"SELECT {ASSIGNMENT} FROM assignments AS a WHERE a.labeler_id = :me AND a.expires_at > :now")

    def find(self, assignment: str) -> Assignment | None:
        """The assignment of this id, if it is this labeler's."""
        return self._one(f"SELECT {ASSIGNMENT} FROM assignments AS a WHERE a.id = :id AND a.labeler_id = :me", id=assignment)

    def renew(self, assignment: Assignment) -> Assignment:
        """Let the lease run for its full time from now on."""
        ends = datetime.fromisoformat(self.clock()) + timedelta(seconds=LEASE_SECONDS)
        return self._set_end(assignment, ends.isoformat(timespec="microseconds"))

    def end(self, assignment: Assignment) -> None:
        """End a lease that still runs."""
        if assignment.expires_at > self.clock():
            self._set_end(assignment, self.clock())

    def waiting(self) -> list[tuple[str, str]]:
        """The two completions of every pair that this labeler could be handed now."""
        rows = self._rows(
            f"SELECT p.first_id, p.second_id FROM pairs AS p WHERE p.shown = 1 AND {UNMET} AND {NEEDED} ORDER BY p.id"
        )
        return [(row["first_id"], row["second_id"]) for row in rows]

    def has_pairs(self) -> bool:
        """Whether any pair was ever made to be shown."""
        return bool(self._value("SELECT EXISTS (SELECT 1 FROM pairs WHERE shown = 1)"))

    def held_by_others(self) -> tuple[int, float]:
        """How many pairs unknown to this labeler are leased to others, and the seconds until the first of these leases ends."""
        rows = self._rows(
            f"SELECT min(a.expires_at) AS ends FROM assignments AS a JOIN pairs AS p ON p.id = a.pair_id "
            f"JOIN accounts AS l ON l.id = a.labeler_id WHERE a.expires_at > :now AND l.simulated = :simulated AND {UNMET} GROUP BY p.id"
        )
        if not rows:
            return 0, 0.0
        first = min(datetime.fromisoformat(row["ends"]) for row in rows)
        return len(rows), (first - datetime.fromisoformat(self.clock())).total_seconds()

    def _fresh_pair(self) -> tuple[int, str, str] | None:
        """Of the highest priority that has one, the first needed pair from a random point of the ids on, around the end."""
        priority = self._value("SELECT max(priority) FROM pairs WHERE shown = 1")
        while priority is not None:
            low, high = (
                self._value(f"SELECT {end}(id) FROM pairs WHERE shown = 1 AND priority = :p", p=priority)
                for end in ("min", "max")
            )
            start = self.rng.randint(low, high)
            for side in (">=", "<"):
                row = self._row(
                    f"SELECT p.id, p.first_id, p.second_id FROM pairs AS p WHERE p.shown = 1 AND p.priority = :p "
                    f"AND p.id {side} :start AND {UNMET} AND {NEEDED} ORDER BY p.id LIMIT 1",
                    p=priority,
                    start=start,
                )
                if row:
                    return row["id"], row["first_id"], row["second_id"]
            priority = self._value("SELECT max(priority) FROM pairs WHERE shown = 1 AND priority < :p", p=priority)
        return None

    def _abandoned(self) -> Assignment | None:
        """An assignment of the labeler's that ran out without an answer and whose pair is still needed."""
        return self._one(
            f"SELECT {ASSIGNMENT} FROM assignments AS a JOIN pairs AS p ON p.id = a.pair_id "
            f"WHERE a.labeler_id = :me AND {UNDONE} AND {NEEDED} ORDER BY a.expires_at DESC LIMIT 1"
        )

    def _assign(self, pair_id: int, first_id: str, second_id: str) -> Assignment:
        left, right = (first_id, second_id) if self.rng.random() < 0.5 else (second_id, first_id)
        moment = self.clock()
        assignment = Assignment(secrets.token_hex(16), pair_id, self.labeler.id, left, right, moment)
        self.store.insert("assignments", asdict(assignment) | {"created_at": moment})
        return assignment

    def _set_end(self, assignment: Assignment, moment: str) -> Assignment:
        self.store.execute("UPDATE assignments SET expires_at = ? WHERE id = ?", [moment, assignment.id])
        return replace(assignment, expires_at=moment)

    def _rows(self, sql: str, **values: object) -> list[dict]:
        simulated = self.labeler.simulated
        permille = round(self.overlap * 1000)
        common = {
            "me": self.labeler.id,
            "now": self.clock(),
            "simulated": int(simulated),
            "source": "simulated" if simulated else "person",
            "whole": permille // 1000,
            "permille": permille % 1000,
        }
        return self.store.rows(sql, common | values)

    def _row(self, sql: str, **values: object) -> dict | None:
        return next(iter(self._rows(sql, **values)), None)

    def _value(self, sql: str, **values: object) -> int | None:
        return next(iter(self._rows(sql, **values)[0].values()))

    def _one(self, sql: str, **values: object) -> Assignment | None:
        row = self._row(sql, **values)
        return Assignment(**row) if row else None
