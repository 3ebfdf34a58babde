"""The waiting line of a project: which pair, or which ranking task, a labeler is handed next.

Unfinished items come first, then those of higher priority; among equals the line is entered at a random place, so that two
labelers do not walk in step. Counters kept by the store say how far an item is, so nothing here counts events. A look at
each step of the line is bounded; only where all of these find nothing is the whole line searched.

Simulated labelers take items by priority alone, however far they are.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from data.records import Account
from data.store import Store
from data.tables.projects import Project

LOOK = 500
STEPS = 8
# 761 and 1000 share no factor, so consecutive items are spread evenly over 0..999
SHARE = "(q.{key} * 761 % 1000 < :permille)"
RUNNING = "a.done = 0 AND a.expires_at > :now AND a.expires_at <= :bound"
"""A lease holds until its end. One that ends later than a fresh one would was given by a clock that jumped back since: it does not hold."""
LEASED = f"""(SELECT count(*) FROM assignments AS a JOIN accounts AS l ON l.id = a.labeler_id
    WHERE a.{{column}} = q.{{key}} AND +a.repeats IS NULL AND {RUNNING} AND l.simulated = :is_simulated)"""
"""The plus keeps SQLite from the index of `repeats`, by which it would read every assignment of the home that repeats nothing."""
UNMET = "NOT EXISTS (SELECT 1 FROM assignments AS mine WHERE mine.{column} = q.{key} AND mine.labeler_id = :me)"


@dataclass(frozen=True, slots=True)
class Kind:
    """Where one kind of item stands: its table, its key there, the column of an assignment that names it, and what is left out."""

    table: str
    key: str
    column: str
    kept: str

    def fill(self, sql: str) -> str:
        """The names in a piece of SQL."""
        return sql.format(key=self.key, column=self.column)


PAIR = Kind("queue", "pair_id", "pair_id", "NOT EXISTS (SELECT 1 FROM gold AS g WHERE g.pair_id = q.pair_id)")
RANKING = Kind("ranking_tasks", "id", "task_id", "q.shown = 1")


class Line:
    """One project's items of one kind as one labeler sees them; `values` gives the moment's :now and :bound."""

    def __init__(
        self, store: Store, kind: Kind, project: Project, labeler: Account, overlap: float, values: Callable[[], dict]
    ) -> None:
        self.store, self.kind, self.project, self.labeler, self.values = store, kind, project, labeler, values
        self.whole, self.permille = divmod(round(overlap * 1000), 1000)
        self.counter = "simulated" if labeler.simulated else "judged"
        needed = f"q.{self.counter} + {LEASED} < :whole + {SHARE}"
        self.free = " AND ".join(map(kind.fill, (f"q.{self.counter} < :whole + {SHARE}", UNMET, kind.kept, needed)))
        self.needed = kind.fill(f"{needed} AND {kind.kept}")

    @property
    def levels(self) -> list[int]:
        """How many answers an item that still needs one can have, the most first."""
        return list(range(self.whole - (self.permille == 0), -1, -1))

    def pick(self, rng: random.Random) -> int | None:
        """The next item, or None."""
        if self.labeler.simulated:
            return self._by_priority(rng)
        for level in self.levels:
            for priority in self._priorities(level):
                found = self._around(rng, priority, [level], LOOK)
                if found is not None:
                    return found
        return self._anywhere()

    def waiting(self) -> list[int]:
        """Every item that this labeler could be handed now."""
        sql = f"SELECT q.{self.kind.key} AS id FROM {self.kind.table} AS q WHERE q.project_id = :project AND {self.free} ORDER BY 1"
        return [row["id"] for row in self._rows(sql)]

    def is_needed(self, id: int) -> bool:
        """Whether one more labeler may be handed this item, whoever has met it."""
        sql = f"SELECT 1 FROM {self.kind.table} AS q WHERE q.{self.kind.key} = :id AND q.project_id = :project AND {self.needed}"
        return bool(self._rows(sql, id=id))

    def exists(self) -> bool:
        """Whether the line has any item, free or not."""
        return bool(
            self._rows(
                f"SELECT 1 FROM {self.kind.table} AS q WHERE q.project_id = :project AND {self.kind.kept} LIMIT 1"
            )
        )

    def _priorities(self, level: int) -> Iterator[int]:
        """The highest few priorities that items of a level have."""
        below = 2**62
        for _ in range(STEPS):
            sql = f"SELECT max(priority) AS top FROM {self.kind.table} AS q WHERE {self._at('level')} AND priority < :below"
            below = self._rows(sql, level=level, below=below)[0]["top"]
            if below is None:
                return
            yield below

    def _by_priority(self, rng: random.Random) -> int | None:
        top = (
            f"SELECT max(priority) AS top FROM {self.kind.table} AS q WHERE project_id = :project AND priority < :below"
        )
        priority = self._rows(top, below=2**62)[0]["top"]
        while priority is not None:
            found = self._around(rng, priority, self.levels, None)
            if found is not None:
                return found
            priority = self._rows(top, below=priority)[0]["top"]
        return None

    def _around(self, rng: random.Random, priority: int, levels: list[int], look: int | None) -> int | None:
        """The first free item from a random place on, around the end; of `look` items on each side of the place, where it is given."""
        where = self._at("level") if look else "q.project_id = :project"
        given = {"priority": priority, "level": levels[0]}
        ends = [
            f"(SELECT {end}(q.{self.kind.key}) FROM {self.kind.table} AS q WHERE {where} AND q.priority = :priority)"
            for end in ("min", "max")
        ]
        row = self._rows(f"SELECT {ends[0]} AS low, {ends[1]} AS high", **given)[0]
        start = rng.randint(row["low"], row["high"])
        for side in (">=", "<"):
            found = [
                self._first(
                    f"q.priority = :priority AND q.{self.kind.key} {side} :start",
                    look,
                    **given | {"level": level, "start": start},
                )
                for level in levels
            ]
            if any(id is not None for id in found):
                return min(id for id in found if id is not None)
        return None

    def _first(self, where: str, look: int | None, **values: int) -> int | None:
        """The first free one of a level's items, or of the first `look` of them."""
        key, table = self.kind.key, self.kind.table
        narrow = f"SELECT * FROM {table} AS q WHERE {self._at('level')} AND {where} ORDER BY q.{key}"
        source = f"({narrow} LIMIT {look})" if look else f"({narrow})"
        rows = self._rows(
            f"SELECT q.{key} AS id FROM {source} AS q WHERE {self.free} ORDER BY q.{key} LIMIT 1", **values
        )
        return rows[0]["id"] if rows else None

    def _anywhere(self) -> int | None:
        """The first free item of all, level by level: slow where this labeler has met almost every item."""
        key, table = self.kind.key, self.kind.table
        for level in self.levels:
            sql = f"SELECT q.{key} AS id FROM {table} AS q WHERE {self._at('level')} AND {self.free} ORDER BY q.priority DESC, q.{key} LIMIT 1"
            rows = self._rows(sql, level=level)
            if rows:
                return rows[0]["id"]
        return None

    def _at(self, name: str) -> str:
        shown = " AND q.shown = 1" if self.kind is RANKING else ""  # named, so that the partial index serves
        return f"q.project_id = :project AND q.{self.counter} = :{name}{shown}"

    def _rows(self, sql: str, **values: object) -> list[dict]:
        common = {
            "me": self.labeler.id,
            "is_simulated": int(self.labeler.simulated),
            "project": self.project.id,
            "whole": self.whole,
            "permille": self.permille,
        }
        return self.store.rows(sql, common | self.values() | values)
