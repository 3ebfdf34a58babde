# SPDX-License-Identifier: Apache-2.0
"""Leases: who may answer which item until when, including gold items and planned repeats.

An *assignment* gives one item to one labeler, with the sides (or the order) drawn for it. An item and a labeler have at
most one, so a labeler sees a pair twice only in a planned repeat. An assignment is a *lease* while it is unanswered and
`expires_at` lies ahead; a labeler has at most one lease. People and simulated labelers do not use up each other's
items: a pair that only simulated labelers judged still waits for a person.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from data.clock import now
from data.ids import canonical_json
from data.records import Account
from data.store import Store
from data.tables.assignments import Assignment, assignment_from_row
from data.tables.projects import Project
from labeling.queue.selection import PAIR, RANKING, RUNNING, UNSEEN, ItemKind, QueueSelection

LEASE_SECONDS = 600
OVERLAP = 1.0
REPEAT_AFTER, REPEAT_WITHIN = 20, 200
"""A planned repeat repeats one of the labeler's items that is at least REPEAT_AFTER and less than their sum items
back."""
MOST_ABANDONED = 50
MINE = "SELECT a.* FROM assignments AS a WHERE a.labeler_id = :me"
GOLD = """SELECT g.pair_id FROM gold AS g JOIN pairs AS p ON p.id = g.pair_id WHERE p.project_id = :project
    AND NOT EXISTS (SELECT 1 FROM assignments AS mine WHERE mine.pair_id = g.pair_id AND mine.labeler_id = :me)"""
PAIRS = """SELECT first_id, second_id FROM pairs WHERE id IN (SELECT value FROM json_each(?1))
UNION ALL SELECT a.completion_id, b.completion_id FROM ranking_answers AS a JOIN ranking_answers AS b
ON b.task_id = a.task_id AND b.completion_id > a.completion_id WHERE a.task_id IN (SELECT value FROM json_each(?2))"""
REPEATABLE = """SELECT * FROM (
        SELECT * FROM assignments WHERE labeler_id = :me ORDER BY created_at DESC LIMIT :within OFFSET :after
    ) AS a
    WHERE a.project_id = :project AND a.pair_id IS NOT NULL AND a.done AND NOT a.gold AND a.repeats IS NULL
    AND NOT EXISTS (SELECT 1 FROM assignments AS again WHERE again.repeats = a.id)
    AND EXISTS (SELECT 1 FROM current_comparisons AS c WHERE c.pair_id = a.pair_id AND c.assignment_id = a.id)
    ORDER BY a.id"""


class Queue:
    """The queue as one labeler sees it. Every method runs inside the caller's transaction.

    `overlap` overrides the projects' own number of labelers per item; 1.1 asks two labelers for a fixed tenth of the
    items. `rankings`: whether this client can show rankings.
    """

    def __init__(
        self,
        store: Store,
        labeler: Account,
        *,
        overlap: float | None = None,
        rankings: bool = False,
        rng: random.Random,
        clock: Callable[[], str] = now,
    ) -> None:
        self.store = store
        self.labeler = labeler
        self.overlap = overlap
        self.kinds = (PAIR, RANKING) if rankings else (PAIR,)
        self.rng = rng
        self.clock = clock

    def lease(self) -> Assignment | None:
        """Return the labeler's running lease, renewed; else a new item; else an abandoned one; else None."""
        running = self.running_lease()
        if running:
            return self.hand_out(running)
        for project in self.projects():
            for selection in self.selections(project):
                id = selection.pick(self.rng)
                if id is not None:
                    return self._gold_or_repeat(project) or self._assign(project, selection, id)
        abandoned = self._abandoned()
        return self.hand_out(abandoned) if abandoned else None

    def projects(self) -> list[Project]:
        """Return the open projects that this labeler is in."""
        return self.store.projects.open_for(self.labeler)

    def selections(self, project: Project) -> Iterator[QueueSelection]:
        """Yield the project's selection of each kind of item that the client can show."""
        for kind in self.kinds:
            yield self._selection(project, kind)

    def running_lease(self) -> Assignment | None:
        """Return the labeler's lease that has not ended, None if there is none."""
        sql = f"{MINE} AND {RUNNING} AND (a.task_id IS NULL OR :rankings) ORDER BY a.expires_at DESC LIMIT 1"
        return self._one(sql, rankings=RANKING in self.kinds)

    def is_running(self, assignment: Assignment) -> bool:
        """Return whether this lease has not ended."""
        times = self._lease_times()
        return times["now"] < assignment.expires_at <= times["bound"]

    def find(self, assignment: str) -> Assignment | None:
        """Return the assignment with this id if it is this labeler's, else None."""
        return self._one(f"{MINE} AND a.id = :id", id=assignment)

    def hand_out(self, assignment: Assignment) -> Assignment:
        """Hand out an assignment (again), with the current guideline and a full lease."""
        version = self.store.projects.get(assignment.project_id).guideline_version
        renewed = replace(
            assignment, shown_at=self.clock(), expires_at=self._lease_times()["bound"], guideline_version=version
        )
        sql = "UPDATE assignments SET shown_at = ?, expires_at = ?, guideline_version = ? WHERE id = ?"
        self.store.execute(sql, [renewed.shown_at, renewed.expires_at, version, renewed.id])
        return renewed

    def renew(self, assignment: Assignment) -> Assignment | None:
        """Extend the lease to its full time from now.

        Returns None if it ended and others have the item, or if the labeler has another lease.
        """
        if not self.is_running(assignment) and (self.running_lease() or not self._is_free(assignment)):
            return None
        return self._set_end(assignment, self._lease_times()["bound"])

    def end_lease(self, assignment: Assignment) -> None:
        """End a lease now if it is running."""
        if assignment.expires_at > self.clock():
            self._set_end(assignment, self.clock())

    def waiting_pairs(self) -> list[tuple[str, str]]:
        """Return the two completion ids of every pair that this labeler could get now, also inside of a ranking."""
        selections = [selection for project in self.projects() for selection in self.selections(project)]
        ids = {kind: [id for part in selections if part.kind is kind for id in part.waiting()] for kind in self.kinds}
        values = [canonical_json(ids.get(kind, [])) for kind in (PAIR, RANKING)]
        return [(row["first_id"], row["second_id"]) for row in self.store.rows(PAIRS, values)]

    def has_items(self) -> bool:
        """Return whether any item exists in this labeler's projects."""
        return any(selection.exists() for project in self.projects() for selection in self.selections(project))

    def held_by_others(self) -> tuple[int, float]:
        """Count the unseen items that are leased to others, and return the seconds until the first lease ends."""
        unseen = " AND ".join(
            UNSEEN.format(column=column, key=column).replace("q.", "a.") for column in ("pair_id", "task_id")
        )
        rows = self._rows(
            f"SELECT min(a.expires_at) AS ends FROM assignments AS a JOIN accounts AS l ON l.id = a.labeler_id "
            f"WHERE {RUNNING} AND l.simulated = :is_simulated AND +a.repeats IS NULL AND NOT a.gold AND {unseen} "
            f"AND a.project_id IN (SELECT value FROM json_each(:projects)) GROUP BY a.pair_id, a.task_id",
            projects=canonical_json([project.id for project in self.projects()]),
        )
        if not rows:
            return 0, 0.0
        first = min(datetime.fromisoformat(row["ends"]) for row in rows)
        return len(rows), (first - datetime.fromisoformat(self.clock())).total_seconds()

    def _gold_or_repeat(self, project: Project) -> Assignment | None:
        """Return, at the project's rates, a gold item or a planned repeat with swapped sides instead of a new item."""
        if project.gold_rate and self.rng.random() < project.gold_rate:
            ids = [row["pair_id"] for row in self._rows(f"{GOLD} ORDER BY 1", project=project.id)]
            if ids:
                return self._assign_pair(project, self.rng.choice(ids), gold=True)
        if project.repeat_rate and self.rng.random() < project.repeat_rate:
            rows = self._rows(REPEATABLE, project=project.id, after=REPEAT_AFTER, within=REPEAT_WITHIN)
            if rows:
                return self._repeat(project, assignment_from_row(self.rng.choice(rows)))
        return None

    def _assign(self, project: Project, selection: QueueSelection, id: int) -> Assignment:
        if selection.kind is PAIR:
            return self._assign_pair(project, id)
        positions = list(self.store.rankings.task(id).completion_ids)
        self.rng.shuffle(positions)
        return self._insert(project, {"task_id": id, "positions": tuple(positions)})

    def _assign_pair(self, project: Project, id: int, *, gold: bool = False) -> Assignment:
        pair = self.store.pairs.get(id)
        swapped = self.rng.random() >= 0.5
        left, right = (pair.second_id, pair.first_id) if swapped else (pair.first_id, pair.second_id)
        return self._insert(project, {"pair_id": id, "left_id": left, "right_id": right, "gold": gold})

    def _repeat(self, project: Project, first: Assignment) -> Assignment:
        sides = {"left_id": first.right_id, "right_id": first.left_id}
        return self._insert(project, {"pair_id": first.pair_id, **sides, "repeats": first.id})

    def _insert(self, project: Project, item: Mapping[str, Any]) -> Assignment:
        times = self._lease_times()
        empty: dict[str, Any] = dict.fromkeys(("pair_id", "task_id", "left_id", "right_id", "positions", "repeats"))
        created = Assignment(
            id=secrets.token_hex(16),
            labeler_id=self.labeler.id,
            project_id=project.id,
            guideline_version=project.guideline_version,
            done=False,
            shown_at=times["now"],
            expires_at=times["bound"],
            created_at=times["now"],
            **{**empty, "gold": False, **item},
        )
        row = asdict(created) | {
            "gold": int(created.gold),
            "done": 0,
            "positions": created.positions and canonical_json(list(created.positions)),
        }
        self.store.insert("assignments", row)
        return created

    def _abandoned(self) -> Assignment | None:
        """Return an expired, unanswered assignment that is still needed, in a project that is still the labeler's."""
        open_to = {project.id for project in self.projects()}
        unanswered = f"{MINE} AND a.done = 0 AND (a.task_id IS NULL OR :rankings)"
        sql = f"{unanswered} ORDER BY a.expires_at DESC LIMIT {MOST_ABANDONED}"
        assignments = (assignment_from_row(row) for row in self._rows(sql, rankings=RANKING in self.kinds))
        return next((lease for lease in assignments if lease.project_id in open_to and self._is_free(lease)), None)

    def _is_free(self, assignment: Assignment) -> bool:
        """Return whether the item of an ended lease can be leased again within the overlap."""
        if assignment.gold or assignment.repeats:
            return True
        project = self.store.projects.get(assignment.project_id)
        kind = PAIR if assignment.task_id is None else RANKING
        return self._selection(project, kind).is_needed(assignment.pair_id or assignment.task_id)

    def _selection(self, project: Project, kind: ItemKind) -> QueueSelection:
        overlap = self.overlap or project.overlap
        return QueueSelection(self.store, kind, project, self.labeler, overlap, self._lease_times)

    def _set_end(self, assignment: Assignment, moment: str) -> Assignment:
        self.store.execute("UPDATE assignments SET expires_at = ? WHERE id = ?", [moment, assignment.id])
        return replace(assignment, expires_at=moment)

    def _lease_times(self) -> dict[str, str]:
        """Return the current time, and the end of a lease that begins now."""
        moment = self.clock()
        bound = datetime.fromisoformat(moment) + timedelta(seconds=LEASE_SECONDS)
        return {"now": moment, "bound": bound.isoformat(timespec="microseconds")}

    def _rows(self, sql: str, **values: object) -> list[dict]:
        return self.store.rows(
            sql, {"me": self.labeler.id, "is_simulated": int(self.labeler.simulated)} | self._lease_times() | values
        )

    def _one(self, sql: str, **values: object) -> Assignment | None:
        rows = self._rows(sql, **values)
        return assignment_from_row(rows[0]) if rows else None
