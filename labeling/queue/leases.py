"""Which item goes to whom: leases, their end, planned repeats, gold, and why there may be nothing.

An *assignment* is one item handed to one labeler, with the sides (or the order) drawn for it; there is at most one for each
item and labeler, so nobody meets a pair twice but in a planned repeat. It is a *lease* while `expires_at` lies ahead and it is
not answered; each labeler has at most one. People and simulated labelers do not use up each other's items: a pair that only
simulated labelers judged still waits for a person.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from data.clock import now
from data.ids import canonical_json
from data.records import Account
from data.store import Store
from data.tables.assignments import Assignment, assignment_from_row
from data.tables.projects import Project
from labeling.queue.selection import PAIR, RANKING, RUNNING, UNMET, Line

LEASE_SECONDS = 600
OVERLAP = 1.0
REPEAT_AFTER, REPEAT_WITHIN = 20, 200
"""A planned repeat is of one of the labeler's items that lie this many items back, or so many more."""
TRIED = 50
MINE = "SELECT a.* FROM assignments AS a WHERE a.labeler_id = :me"
GOLD = """SELECT g.pair_id FROM gold AS g JOIN pairs AS p ON p.id = g.pair_id WHERE p.project_id = :project
    AND NOT EXISTS (SELECT 1 FROM assignments AS mine WHERE mine.pair_id = g.pair_id AND mine.labeler_id = :me)"""
REPEATABLE = """SELECT * FROM (SELECT * FROM assignments WHERE labeler_id = :me ORDER BY created_at DESC LIMIT :within OFFSET :after) AS a
    WHERE a.project_id = :project AND a.pair_id IS NOT NULL AND a.done AND NOT a.gold AND a.repeats IS NULL
    AND NOT EXISTS (SELECT 1 FROM assignments AS again WHERE again.repeats = a.id)
    AND EXISTS (SELECT 1 FROM current_comparisons AS c WHERE c.pair_id = a.pair_id AND c.assignment_id = a.id)
    ORDER BY a.id"""


class Queue:
    """The waiting items as one labeler sees them. Every method runs inside the caller's transaction.

    `overlap` stands in for the projects' own: how many labelers an item needs; 1.1 asks two for one item in ten, always the
    same ones. `rankings`: whether this client can show them.
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
        """The labeler's running lease, renewed; else a new item; else one that the labeler let go earlier; else None."""
        running = self.running()
        if running:
            return self.show(running)
        for project in self.projects():
            for line in self.lines(project):
                id = line.pick(self.rng)
                if id is not None:
                    return self._mixed_in(project) or self._assign(project, line, id)
        abandoned = self._abandoned()
        return self.show(abandoned) if abandoned else None

    def projects(self) -> list[Project]:
        """The open projects that this labeler is in."""
        return self.store.projects.open_for(self.labeler)

    def lines(self, project: Project) -> Iterator[Line]:
        """The project's lines of the kinds that can be shown."""
        for kind in self.kinds:
            yield Line(self.store, kind, project, self.labeler, self.overlap or project.overlap, self._moment)

    def running(self) -> Assignment | None:
        """The labeler's lease that has not ended."""
        sql = f"{MINE} AND {RUNNING} AND (a.task_id IS NULL OR :rankings) ORDER BY a.expires_at DESC LIMIT 1"
        return self._one(sql, rankings=RANKING in self.kinds)

    def runs(self, assignment: Assignment) -> bool:
        """Whether this lease has not ended."""
        moment = self._moment()
        return moment["now"] < assignment.expires_at <= moment["bound"]

    def find(self, assignment: str) -> Assignment | None:
        """The assignment of this id, if it is this labeler's."""
        return self._one(f"{MINE} AND a.id = :id", id=assignment)

    def show(self, assignment: Assignment) -> Assignment:
        """Hand it out (again), with the guideline of now and for the full time."""
        version = self.store.projects.get(assignment.project_id).guideline_version
        shown = replace(
            assignment, shown_at=self.clock(), expires_at=self._moment()["bound"], guideline_version=version
        )
        sql = "UPDATE assignments SET shown_at = ?, expires_at = ?, guideline_version = ? WHERE id = ?"
        self.store.execute(sql, [shown.shown_at, shown.expires_at, version, shown.id])
        return shown

    def renew(self, assignment: Assignment) -> Assignment | None:
        """Let the lease run for its full time from now on; None where it ended and the item is in other hands, or another one is open."""
        if not self.runs(assignment) and (self.running() or not self._is_free(assignment)):
            return None
        return self._set_end(assignment, self._moment()["bound"])

    def end(self, assignment: Assignment) -> None:
        """End a lease that still runs."""
        if assignment.expires_at > self.clock():
            self._set_end(assignment, self.clock())

    def waiting(self) -> list[tuple[str, str]]:
        """The two completions of every pair that this labeler could be handed now."""
        ids = [id for project in self.projects() for id in next(self.lines(project)).waiting()]
        sql = "SELECT first_id, second_id FROM pairs WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
        return [(row["first_id"], row["second_id"]) for row in self.store.rows(sql, [canonical_json(ids)])]

    def has_items(self) -> bool:
        """Whether any item was ever made to be shown to this labeler."""
        return any(line.exists() for project in self.projects() for line in self.lines(project))

    def held_by_others(self) -> tuple[int, float]:
        """How many items unknown to this labeler are leased to others, and the seconds until the first of these leases ends."""
        unmet = " AND ".join(
            UNMET.format(column=column, key=column).replace("q.", "a.") for column in ("pair_id", "task_id")
        )
        rows = self._rows(
            f"SELECT min(a.expires_at) AS ends FROM assignments AS a JOIN accounts AS l ON l.id = a.labeler_id "
            f"WHERE {RUNNING} AND l.simulated = :is_simulated AND +a.repeats IS NULL AND NOT a.gold AND {unmet} "
            f"AND a.project_id IN (SELECT value FROM json_each(:projects)) GROUP BY a.pair_id, a.task_id",
            projects=canonical_json([project.id for project in self.projects()]),
        )
        if not rows:
            return 0, 0.0
        first = min(datetime.fromisoformat(row["ends"]) for row in rows)
        return len(rows), (first - datetime.fromisoformat(self.clock())).total_seconds()

    def _mixed_in(self, project: Project) -> Assignment | None:
        """Now and then, in place of an item of the line: a gold item, or one of the labeler's own again with its sides swapped."""
        if project.gold_rate and self.rng.random() < project.gold_rate:
            ids = [row["pair_id"] for row in self._rows(f"{GOLD} ORDER BY 1", project=project.id)]
            if ids:
                return self._assign_pair(project, self.rng.choice(ids), gold=True)
        if project.repeat_rate and self.rng.random() < project.repeat_rate:
            rows = self._rows(REPEATABLE, project=project.id, after=REPEAT_AFTER, within=REPEAT_WITHIN)
            if rows:
                return self._repeat(project, assignment_from_row(self.rng.choice(rows)))
        return None

    def _assign(self, project: Project, line: Line, id: int) -> Assignment:
        if line.kind is PAIR:
            return self._assign_pair(project, id)
        positions = list(self.store.rankings.task(id).completion_ids)
        self.rng.shuffle(positions)
        return self._insert(project, task_id=id, positions=tuple(positions))

    def _assign_pair(self, project: Project, id: int, *, gold: bool = False) -> Assignment:
        pair = self.store.pairs.get(id)
        swapped = self.rng.random() >= 0.5
        left, right = (pair.second_id, pair.first_id) if swapped else (pair.first_id, pair.second_id)
        return self._insert(project, pair_id=id, left_id=left, right_id=right, gold=gold)

    def _repeat(self, project: Project, first: Assignment) -> Assignment:
        return self._insert(
            project, pair_id=first.pair_id, left_id=first.right_id, right_id=first.left_id, repeats=first.id
        )

    def _insert(self, project: Project, **what: object) -> Assignment:
        moment = self._moment()
        nothing = {
            "pair_id": None,
            "task_id": None,
            "left_id": None,
            "right_id": None,
            "positions": None,
            "gold": False,
            "repeats": None,
        }
        made = Assignment(
            id=secrets.token_hex(16),
            labeler_id=self.labeler.id,
            project_id=project.id,
            guideline_version=project.guideline_version,
            done=False,
            shown_at=moment["now"],
            expires_at=moment["bound"],
            created_at=moment["now"],
            **(nothing | what),
        )
        row = asdict(made) | {
            "gold": int(made.gold),
            "done": 0,
            "positions": made.positions and canonical_json(list(made.positions)),
        }
        self.store.insert("assignments", row)
        return made

    def _abandoned(self) -> Assignment | None:
        """One of the labeler's own that ran out without an answer, in a project that is still theirs, and that is still needed."""
        open_to = {project.id for project in self.projects()}
        sql = f"{MINE} AND a.done = 0 AND (a.task_id IS NULL OR :rankings) ORDER BY a.expires_at DESC LIMIT {TRIED}"
        found = (assignment_from_row(row) for row in self._rows(sql, rankings=RANKING in self.kinds))
        return next((each for each in found if each.project_id in open_to and self._is_free(each)), None)

    def _is_free(self, assignment: Assignment) -> bool:
        """Whether the item of an ended lease may be taken up again without overshooting the overlap."""
        if assignment.gold or assignment.repeats:
            return True
        project = self.store.projects.get(assignment.project_id)
        kind = PAIR if assignment.task_id is None else RANKING
        line = Line(self.store, kind, project, self.labeler, self.overlap or project.overlap, self._moment)
        return line.is_needed(assignment.pair_id or assignment.task_id)

    def _set_end(self, assignment: Assignment, moment: str) -> Assignment:
        self.store.execute("UPDATE assignments SET expires_at = ? WHERE id = ?", [moment, assignment.id])
        return replace(assignment, expires_at=moment)

    def _moment(self) -> dict[str, str]:
        """Now, and the end of a lease that begins now."""
        moment = self.clock()
        bound = datetime.fromisoformat(moment) + timedelta(seconds=LEASE_SECONDS)
        return {"now": moment, "bound": bound.isoformat(timespec="microseconds")}

    def _rows(self, sql: str, **values: object) -> list[dict]:
        return self.store.rows(
            sql, {"me": self.labeler.id, "is_simulated": int(self.labeler.simulated)} | self._moment() | values
        )

    def _one(self, sql: str, **values: object) -> Assignment | None:
        rows = self._rows(sql, **values)
        return assignment_from_row(rows[0]) if rows else None
