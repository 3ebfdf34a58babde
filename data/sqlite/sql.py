# SPDX-License-Identifier: Apache-2.0
"""Statements for the table classes: one file, a connection per thread, reading and writing rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from data.sqlite.connection import Connections, explain_errors, immediate_transaction


class Sql:
    """One SQLite file whose acknowledged writes survive power loss; every thread has a connection of its own."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.home = path.parent
        self._connections = Connections(path, synchronous="full", read_only=read_only)

    @property
    def db(self) -> Database:
        """Return this thread's sqlite-utils database; it refuses tables that the schema does not know."""
        return self._connections.database()

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """Run a block as one transaction that locks out other writers (BEGIN IMMEDIATE); nested: a savepoint."""
        with explain_errors(self.path), immediate_transaction(self.db) as database:
            yield database

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Commit without waiting for the disk: a power loss may undo these commits until the next ordinary one.

        Use it for rows that count only after that later commit.
        """
        self.db.conn.execute("PRAGMA synchronous=normal")
        try:
            yield
        finally:
            self.db.conn.execute("PRAGMA synchronous=full")

    def stream(self, sql: str, parameters: Sequence | Mapping = ()) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query one at a time, all as of the moment of the first."""
        cursor = self.db.conn.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))

    def rows(self, sql: str, parameters: Sequence | Mapping = ()) -> list[dict[str, Any]]:
        """Return every row of a query as a dictionary."""
        return list(self.stream(sql, parameters))

    def one(self, sql: str, parameters: Sequence | Mapping = ()) -> dict[str, Any]:
        """Return the first row of a query that always has one. Raises LookupError if there is none."""
        row = self.maybe(sql, parameters)
        if row is None:
            raise LookupError(f"the query has no row: {sql.strip()}")
        return row

    def maybe(self, sql: str, parameters: Sequence | Mapping = ()) -> dict[str, Any] | None:
        """Return the first row of a query, or None."""
        return next(iter(self.rows(sql, parameters)), None)

    def value(self, sql: str, parameters: Sequence | Mapping = ()) -> Any:  # noqa: ANN401 (any JSON value)
        """Return the first column of the first row, or None."""
        row = self.db.conn.execute(sql, parameters).fetchone()
        return row[0] if row else None

    def insert(self, table: str, values: Mapping[str, Any]) -> int:
        """Write one row and return its rowid. Raises sqlite3.IntegrityError if a constraint refuses it."""
        with self.transaction() as database:
            rowid = database.conn.execute(_insert(table, list(values), False), list(values.values())).lastrowid
            if rowid is None:
                raise LookupError(f"SQLite gave no rowid for a new row of {table}")
            return rowid

    def insert_or_ignore(self, table: str, values: Mapping[str, Any]) -> int | None:
        """Write one row and return its rowid, or None if a unique key exists already."""
        with self.transaction() as database:
            cursor = database.conn.execute(_insert(table, list(values), True), list(values.values()))
            return cursor.lastrowid if cursor.rowcount else None

    def insert_many(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Write the rows whose unique keys are new, in one commit; return their number."""
        with self.transaction() as database:
            return max(database.conn.executemany(_insert(table, columns, True), rows).rowcount, 0)

    def execute(self, sql: str, parameters: Sequence | Mapping = ()) -> int:
        """Run one writing statement; return the number of changed rows."""
        with self.transaction() as database:
            return database.conn.execute(sql, parameters).rowcount

    def close(self) -> None:
        """Close the connections of every thread."""
        self._connections.close()


def _insert(table: str, columns: Sequence[str], ignore: bool) -> str:
    if foreign := [name for name in columns if not name.isidentifier()]:  # a name is a part of the statement
        raise ValueError(f"{foreign[0]!r} is no name of a column")
    # ON CONFLICT rather than OR IGNORE, which would swallow NOT NULL and CHECK failures as well.
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})" + (
        " ON CONFLICT DO NOTHING" if ignore else ""
    )
