# SPDX-License-Identifier: Apache-2.0
"""Imports: rows are written in chunks with the number of their import, and count together after one small write.

Until then no query returns them (`import_done`). One import writes at a time, under a file lock that
ends with its process: whoever holds it next knows that an import without an end broke off, and takes its rows out
again.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from sqlite_utils import Database

from data.clock import now
from data.errors import BadInput, Occupied
from data.ids import canonical_json
from data.sqlite.connection import Connections, immediate_transaction, without_foreign_keys
from data.sqlite.table import Table

LOCK = "import.lock"
CHUNK, FEWEST = 250, 50
"""Rows of a file in one commit, and rows taken out in one: few enough that a labeler who submits does not notice."""
LONG = 0.1  # seconds that a labeler may wait for one commit, about; on a busy machine there are fewer rows in it
PAUSE = 0.002  # seconds at least between two commits: SQLite lets who waits look again after 1, 2, 5 ms and so on

UNREFERENCED = {  # what of an import that broke off nobody else uses by now
    "comparisons": "1",
    "rankings": "1",
    "assignments": "NOT EXISTS (SELECT 1 FROM comparisons AS c WHERE c.assignment_id = assignments.id AND c.supersedes IS NULL)"
    " AND NOT EXISTS (SELECT 1 FROM rankings AS r WHERE r.assignment_id = assignments.id AND r.supersedes IS NULL)",
    "pairs": "NOT EXISTS (SELECT 1 FROM comparisons AS c WHERE c.pair_id = pairs.id)"
    " AND NOT EXISTS (SELECT 1 FROM assignments AS a WHERE a.pair_id = pairs.id)",
    "ranking_tasks": "NOT EXISTS (SELECT 1 FROM rankings AS r WHERE r.task_id = ranking_tasks.id)"
    " AND NOT EXISTS (SELECT 1 FROM assignments AS a WHERE a.task_id = ranking_tasks.id)",
    "completions": "NOT EXISTS (SELECT 1 FROM pairs AS p WHERE p.prompt_id = completions.prompt_id"
    " AND completions.id IN (p.first_id, p.second_id))"
    " AND NOT EXISTS (SELECT 1 FROM ranking_answers AS r WHERE r.completion_id = completions.id)"
    " AND NOT EXISTS (SELECT 1 FROM edits AS e WHERE e.completion_id = completions.id)",
    "instructions": "1",
    "prompts": "NOT EXISTS (SELECT 1 FROM completions AS c WHERE c.prompt_id = prompts.id)"
    " AND NOT EXISTS (SELECT 1 FROM instructions AS i WHERE i.prompt_id = prompts.id)"
    " AND NOT EXISTS (SELECT 1 FROM pairs AS p WHERE p.prompt_id = prompts.id)",
}


def import_done(table: str = "") -> str:
    """Return the condition that keeps the rows of imports that are done, and those of no import."""
    name = f"{table}.import_id" if table else "import_id"
    return f"({name} IS NULL OR {name} NOT IN (SELECT id FROM imports WHERE done_at IS NULL))"


IMPORT_DONE = import_done()


class NamedFile(Protocol):
    """A file and its name."""

    @property
    def path(self) -> Path:
        """Return the path of the file."""

    @property
    def name(self) -> str:
        """Return the name that people gave it."""


def folder_of(path: Path) -> str:
    """Return the folder of a file. Two files of one name differ in it."""
    return str(path.resolve().parent)


def _name_source(file: NamedFile, folders: dict[str, str]) -> str:
    """Return the shortest name that no other folder has, and note it in `folders`."""
    folder, name = folder_of(file.path), file.name
    for parent in reversed(Path(folder).parts):
        if folders.setdefault(name, folder) == folder:
            break
        name = f"{parent}/{name}"
    return name


class Pace:
    """The number of rows per commit, adapted to the time of the last commits."""

    def __init__(self) -> None:
        self.size = CHUNK

    def took(self, seconds: float) -> None:
        """Halve after a long commit, grow by a tenth after a short one."""
        if seconds > LONG:
            self.size = max(FEWEST, self.size // 2)
        elif seconds < LONG / 2:
            self.size = min(CHUNK, self.size + self.size // 10)


AUTHORS = """SELECT labeler_id FROM comparisons WHERE import_id = ?1
    UNION SELECT labeler_id FROM rankings WHERE import_id = ?1"""
RETALLY = """INSERT INTO tallies (labeler_id, project_id, answers) SELECT labeler_id, project_id, count(*)
    FROM (SELECT labeler_id, project_id FROM current_comparisons UNION ALL SELECT labeler_id, project_id FROM current_rankings)
    WHERE labeler_id IN (SELECT value FROM json_each(?)) GROUP BY 1, 2"""
REVEAL = """UPDATE pairs SET shown = 1 WHERE id IN (SELECT value FROM json_each(?)) AND purpose != 'import' AND shown = 0
    AND (SELECT text FROM completions WHERE id = first_id) != (SELECT text FROM completions WHERE id = second_id)
    AND NOT EXISTS (SELECT 1 FROM retracted WHERE kind = 'completion' AND row_id IN (first_id, second_id))"""


class Imports(Table):
    """Imports: their files, accounts and completion."""

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the import lock, after repairing interrupted imports. Raises Occupied if another import runs."""
        with open(self._store.home / LOCK, "w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Occupied.of("error.import_running") from None
            for row in self._store.rows("SELECT id, done_at FROM imports WHERE revealed_at IS NULL ORDER BY id"):
                if row["done_at"] is None:
                    self.remove(row["id"])
                else:
                    self.reveal(row["id"])
            yield

    def repair(self) -> None:
        """Delete imports that broke off, and finish those that already count. Does nothing while an import runs."""
        with suppress(BadInput), self.exclusive():
            pass

    def begin(self, actor: str, what: str, sources: Sequence[str], folders: Sequence[str] = ()) -> int:
        """Return a new import's number; its rows do not count before `end`. `folders` are those of the sources."""
        row = {"actor": actor, "what": what, "files": canonical_json(list(sources)), "created_at": now()}
        return self._store.insert("imports", row | {"folders": canonical_json(list(folders))})

    def name_sources(self, files: Sequence[NamedFile]) -> tuple[str, ...]:
        """Return the name of each file as a source: its own, with folders before it if another folder has that name.

        The first import of a name keeps it, and a file that comes again has the name that it had.
        """
        folders: dict[str, str] = {}
        for row in self._store.rows("SELECT files, folders FROM imports WHERE folders IS NOT NULL ORDER BY id"):
            for name, folder in zip(json.loads(row["files"]), json.loads(row["folders"]), strict=False):
                folders.setdefault(name, folder)
        return tuple(_name_source(file, folders) for file in files)

    def end(self, id: int) -> None:
        """Make all rows of the import count. Its pairs reach the labelers after `reveal`."""
        self._store.execute("UPDATE imports SET done_at = ? WHERE id = ?", [now(), id])

    def reveal(self, id: int) -> None:
        """Add the pairs of a finished import to the queue, in chunks."""
        shown = self._store.value("SELECT 1 FROM pairs WHERE import_id = ? AND purpose != 'import' LIMIT 1", [id])
        for rowids in self._rowids(self._store.db, "pairs", id) if shown else ():
            self._store.execute(REVEAL, [canonical_json(rowids)])
        self._store.execute("UPDATE imports SET revealed_at = ? WHERE id = ?", [now(), id])

    def remove(self, id: int) -> None:
        """Delete an unfinished import in chunks. Rows that others use by now stay and count."""
        authors = [row["labeler_id"] for row in self._store.rows(AUTHORS, [id])]
        connections = Connections(self._store.path, synchronous="full")
        # UNREFERENCED asks by indexed columns what a foreign key would look for in whole tables, once for each row.
        with without_foreign_keys(connections.database()) as database:
            for table, condition in UNREFERENCED.items():
                for rowids in self._rowids(database, table, id):
                    with immediate_transaction(database):
                        database.conn.execute(
                            f"DELETE FROM {table} WHERE rowid IN (SELECT value FROM json_each(?)) AND {condition}",
                            [canonical_json(rowids)],
                        )
        connections.close()
        with self._store.transaction():
            self._store.execute(
                "DELETE FROM tallies WHERE labeler_id IN (SELECT value FROM json_each(?))", [canonical_json(authors)]
            )
            self._store.execute(RETALLY, [canonical_json(authors)])
            self._store.execute(
                "UPDATE imports SET done_at = ?1, revealed_at = ?1, what = 'broken off' WHERE id = ?2", [now(), id]
            )

    def all(self) -> list[dict[str, Any]]:
        """Return {id, actor, what, files, created_at, done_at, revealed_at} of every import, oldest first."""
        return [
            {**row, "files": json.loads(row["files"])} for row in self._store.rows("SELECT * FROM imports ORDER BY id")
        ]

    def _rowids(self, database: Database, table: str, id: int) -> Iterator[list[int]]:
        """Return the import's rows of a table, a chunk at a time; between two chunks others get their turn."""
        query = f"SELECT rowid FROM {table} WHERE import_id = ? AND rowid > ? ORDER BY rowid LIMIT {CHUNK}"
        rowids = [0]
        while rowids := [row[0] for row in database.conn.execute(query, [id, rowids[-1]])]:
            began = time.monotonic()
            yield rowids
            time.sleep(max(PAUSE, time.monotonic() - began))
