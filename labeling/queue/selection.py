# SPDX-License-Identifier: Apache-2.0
"""Queue selection: the next pair or ranking task of a project for a labeler.

Unfinished items come first, then items of higher priority. Among equals the search starts at a random place, so that
two labelers do not get items in the same order. The store's counters say how many answers an item has; nothing here
counts events. The search of each level is bounded; the whole queue is searched only if all bounded searches find
nothing.

Simulated labelers get items by priority alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from data.records import Account
from data.store import Store
from data.tables.projects import Project

WINDOW = 500
STEPS = 8
# 761 and 1000 share no factor, so consecutive items are spread evenly over 0..999
EXTRA = "(q.{key} * 761 % 1000 < :permille)"
RUNNING = "a.done = 0 AND a.expires_at > :now AND a.expires_at <= :bound"
"""A lease is valid until its end. A lease that ends later than a fresh one is invalid: the clock was set back since."""
LEASED = f"""(SELECT count(*) FROM assignments AS a JOIN accounts AS l ON l.id = a.labeler_id
    WHERE a.{{column}} = q.{{key}} AND +a.repeats IS NULL AND {RUNNING} AND l.simulated = :is_simulated)"""
"""The plus keeps SQLite from using the index of `repeats`, with which it would read every assignment without one."""
UNSEEN = "NOT EXISTS (SELECT 1 FROM assignments AS mine WHERE mine.{column} = q.{key} AND mine.labeler_id = :me)"


@dataclass(frozen=True, slots=True)
class ItemKind:
    """One kind of item: its table, its key, the column of an assignment that names it, and the condition `included`."""

    table: str
    key: str
    column: str
    included: str

    def fill(self, sql: str) -> str:
        """Fill the key and the column into a piece of SQL."""
        return sql.format(key=self.key, column=self.column)


PAIR = ItemKind("queue", "pair_id", "pair_id", "NOT EXISTS (SELECT 1 FROM gold AS g WHERE g.pair_id = q.pair_id)")
RANKING = ItemKind("ranking_tasks", "id", "task_id", "q.shown = 1")


class QueueSelection:
    """One project's items of one kind as one labeler sees them; `times` returns the current :now and :bound."""

    def __init__(
        self,
        store: Store,
        kind: ItemKind,
        project: Project,
        labeler: Account,
        overlap: float,
        times: Callable[[], dict],
    ) -> None:
        self.store, self.kind, self.project, self.labeler, self.times = store, kind, project, labeler, times
        self.whole, self.permille = divmod(round(overlap * 1000), 1000)
        self.counter = "simulated" if labeler.simulated else "judged"
        needed = f"q.{self.counter} + {LEASED} < :whole + {EXTRA}"
        self.free = " AND ".join(
            map(kind.fill, (f"q.{self.counter} < :whole + {EXTRA}", UNSEEN, kind.included, needed))
        )
        self.needed = kind.fill(f"{needed} AND {kind.included}")

    @property
    def levels(self) -> list[int]:
        """The possible numbers of answers of an item that needs more, the highest first."""
        return list(range(self.whole - (self.permille == 0), -1, -1))

    def pick(self, rng: random.Random) -> int | None:
        """Return the id of the next item, None if there is none."""
        if self.labeler.simulated:
            return self._by_priority(rng)
        for level in self.levels:
            for priority in self._priorities(level):
                id = self._search_from_random_place(rng, priority, [level], WINDOW)
                if id is not None:
                    return id
        return self._search_everything()

    def waiting(self) -> list[int]:
        """Return the id of every item that this labeler could get now."""
        items = f"SELECT q.{self.kind.key} AS id FROM {self.kind.table} AS q WHERE q.project_id = :project"
        sql = f"{items} AND {self.free} ORDER BY 1"
        return [row["id"] for row in self._rows(sql)]

    def is_needed(self, id: int | None) -> bool:
        """Return whether one more labeler may get this item."""
        items = f"SELECT 1 FROM {self.kind.table} AS q WHERE q.{self.kind.key} = :id AND q.project_id = :project"
        sql = f"{items} AND {self.needed}"
        return bool(self._rows(sql, id=id))

    def exists(self) -> bool:
        """Return whether the project has any item of this kind, free or not."""
        return bool(
            self._rows(
                f"SELECT 1 FROM {self.kind.table} AS q WHERE q.project_id = :project AND {self.kind.included} LIMIT 1"
            )
        )

    def _priorities(self, level: int) -> Iterator[int]:
        """Yield the highest few priorities of the items of a level."""
        below = 2**62
        for _ in range(STEPS):
            items = f"FROM {self.kind.table} AS q WHERE {self._at('level')}"
            sql = f"SELECT max(priority) AS top {items} AND priority < :below"
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
            id = self._search_from_random_place(rng, priority, self.levels, None)
            if id is not None:
                return id
            priority = self._rows(top, below=priority)[0]["top"]
        return None

    def _search_from_random_place(
        self, rng: random.Random, priority: int, levels: list[int], window: int | None
    ) -> int | None:
        """Return the first free item from a random place on, wrapping around.

        With `window`, of that many items on each side.
        """
        among = self._at("level") if window else "q.project_id = :project"
        values = {"priority": priority, "level": levels[0]}
        ends = [
            f"(SELECT {end}(q.{self.kind.key}) FROM {self.kind.table} AS q WHERE {among} AND q.priority = :priority)"
            for end in ("min", "max")
        ]
        row = self._rows(f"SELECT {ends[0]} AS low, {ends[1]} AS high", **values)[0]
        start = rng.randint(row["low"], row["high"])
        for side in (">=", "<"):
            ids = [
                self._first(
                    f"q.priority = :priority AND q.{self.kind.key} {side} :start",
                    window,
                    **values | {"level": level, "start": start},
                )
                for level in levels
            ]
            if any(id is not None for id in ids):
                return min(id for id in ids if id is not None)
        return None

    def _first(self, where: str, window: int | None, **values: int) -> int | None:
        """Return the first free item of a level, or of its first `window` items."""
        key, table = self.kind.key, self.kind.table
        narrow = f"SELECT * FROM {table} AS q WHERE {self._at('level')} AND {where} ORDER BY q.{key}"
        source = f"({narrow} LIMIT {window})" if window else f"({narrow})"
        rows = self._rows(
            f"SELECT q.{key} AS id FROM {source} AS q WHERE {self.free} ORDER BY q.{key} LIMIT 1", **values
        )
        return rows[0]["id"] if rows else None

    def _search_everything(self) -> int | None:
        """Return the first free item of all levels: slow if this labeler has seen almost every item."""
        key, table = self.kind.key, self.kind.table
        for level in self.levels:
            free = f"FROM {table} AS q WHERE {self._at('level')} AND {self.free}"
            sql = f"SELECT q.{key} AS id {free} ORDER BY q.priority DESC, q.{key} LIMIT 1"
            rows = self._rows(sql, level=level)
            if rows:
                return rows[0]["id"]
        return None

    def _at(self, name: str) -> str:
        condition = " AND q.shown = 1" if self.kind is RANKING else ""  # without it SQLite ignores the partial index
        return f"q.project_id = :project AND q.{self.counter} = :{name}{condition}"

    def _rows(self, sql: str, **values: object) -> list[dict]:
        common = {
            "me": self.labeler.id,
            "is_simulated": int(self.labeler.simulated),
            "project": self.project.id,
            "whole": self.whole,
            "permille": self.permille,
        }
        return self.store.rows(sql, common | self.times() | values)
