# SPDX-License-Identifier: Apache-2.0
"""Connections to a SQLite file of the home.

Every thread has its own connection. The settings protect acknowledged rows; errors name the file and the remedy.

The Python process must load a single copy of SQLite (two copies defeat each other's file locks), so everything
takes `sqlite3` from sqlite-utils, which prefers the newer one that pysqlite3 brings.
"""

from __future__ import annotations

import fcntl
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from sqlite_utils import Database
from sqlite_utils.utils import sqlite3

from data.errors import BadInput, Busy, StoreTrouble

WAIT_SECONDS = 10
OLDEST_SQLITE = (3, 51, 3)
CHECK = "Run: preference-loop store check. Then restore a backup if it finds damage."
ANOTHER = "Name another folder with --home."
WRITABLE = "Make the folder writable, or choose another with --home."
REMEDIES = {
    "not a database": "Name a home folder of this program, or move the file away.",
    "image is malformed": CHECK,
    "malformed database schema": CHECK,
    "unsupported file format": CHECK,
    "could not decode to utf-8": CHECK,
    "readonly database": WRITABLE,
    "unable to open": WRITABLE,
    "disk is full": "Free some space; acknowledged rows are safe.",
    "disk i/o error": "Free some space or check the disk; acknowledged rows are safe.",
    "database is locked": f"Another program has held the file for {WAIT_SECONDS} s: close it and try again.",
}


def require_sqlite(version: str = sqlite3.sqlite_version) -> None:
    """Refuse a SQLite library with the WAL-reset race (https://sqlite.org/wal.html#walresetbug): BadInput."""
    if tuple(int(part) for part in version.split(".")) < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise BadInput(f"SQLite {version} is older than {oldest} and can damage the file", "Run: pip install pysqlite3")


class TranslatingCursor(sqlite3.Cursor):
    """A cursor whose every statement and fetch explains errors that a person can fix (`explain_errors`).

    Each statement of a label passes here, so the methods catch errors themselves: `try` costs nothing.
    """

    def _explain(self, error: sqlite3.DatabaseError) -> None:
        raise_explained(error, cast(TranslatingConnection, self.connection).path)

    def execute(self, *args: Any) -> Any:  # noqa: ANN401 (the types of sqlite3.Cursor)
        """Run a statement."""
        try:
            return super().execute(*args)
        except sqlite3.DatabaseError as error:
            self._explain(error)
            raise

    def executemany(self, *args: Any) -> Any:  # noqa: ANN401 (the types of sqlite3.Cursor)
        """Run a statement once for each row."""
        try:
            return super().executemany(*args)
        except sqlite3.DatabaseError as error:
            self._explain(error)
            raise

    def fetchone(self) -> Any:  # noqa: ANN401 (the types of sqlite3.Cursor)
        """Return the next row, or None."""
        try:
            return super().fetchone()
        except sqlite3.DatabaseError as error:
            self._explain(error)
            raise

    def fetchall(self) -> list[Any]:
        """Return all other rows."""
        try:
            return super().fetchall()
        except sqlite3.DatabaseError as error:
            self._explain(error)
            raise

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # a generator keeps the loop in C
        try:
            yield from iter(super().fetchone, None)
        except sqlite3.DatabaseError as error:
            self._explain(error)
            raise


class TranslatingConnection(sqlite3.Connection):
    """A connection to the file `path` whose cursors explain errors. Every read of the program uses one."""

    path: Path

    def cursor(self, factory: type[sqlite3.Cursor] | None = None) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Return a new cursor; sqlite3's own signature is overloaded."""
        return super().cursor(factory or TranslatingCursor)


class KnownTables(Database):
    """A sqlite-utils database that refuses a table it does not have, unless unsealed: a typo never creates one."""

    sealed = True

    def table(self, table_name: str, **kwargs: Any) -> Any:  # noqa: ANN401 (the type in sqlite-utils is not public)
        """Return the table. Raises ValueError if it does not exist."""
        if self.sealed and table_name not in self.table_names():
            raise ValueError(f"there is no table {table_name!r}")
        return super().table(table_name, **kwargs)


class Connections:
    """Connections to one file, one per thread: opened on first use, closed with the thread or by `close`."""

    def __init__(self, path: Path, *, synchronous: str, read_only: bool = False) -> None:
        self.path = path
        self._synchronous = synchronous
        self._read_only = read_only
        self._local = threading.local()
        self._all: weakref.WeakSet[KnownTables] = weakref.WeakSet()

    def database(self) -> KnownTables:
        """Return this thread's database. Raises BadInput if the file cannot be opened or is something else."""
        if not hasattr(self._local, "database"):
            with explain_open_errors(self.path):
                self._local.database = self._open()
            self._all.add(self._local.database)
        return self._local.database

    def close(self) -> None:
        """Close every thread's connection; a later `database()` opens a new one."""
        for database in list(self._all):
            database.close()
        self._all.clear()
        self._local = threading.local()

    def _open(self) -> KnownTables:
        # isolation_level None: transactions begin where we say BEGIN IMMEDIATE, and nowhere else.
        # Only close() ever touches another thread's connection.
        connection = sqlite3.connect(
            str(self.path),
            timeout=WAIT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            factory=TranslatingConnection,
        )
        connection.path = self.path
        connection.execute("PRAGMA journal_mode=wal")
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        connection.execute("PRAGMA foreign_keys=on")
        # Without this, INSERT OR REPLACE deletes events without firing the triggers.
        connection.execute("PRAGMA recursive_triggers=on")
        if self._read_only:
            connection.execute("PRAGMA query_only=on")
        return KnownTables(connection, strict=True)


@contextmanager
def explain_errors(path: Path) -> Iterator[None]:
    """Turn SQLite errors that a person can fix into BadInput that names the file and the remedy."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise_explained(error, path)
        raise


def raise_explained(error: sqlite3.DatabaseError, path: Path) -> None:
    """Raise BadInput in place of an SQLite error that a person can fix; return for any other."""
    remedy = next((mend for sign, mend in REMEDIES.items() if sign in str(error).lower()), None)
    if remedy:
        kind = Busy if "locked" in str(error).lower() else StoreTrouble
        raise kind(str(error), remedy, file=str(path)) from error


@contextmanager
def explain_open_errors(path: Path) -> Iterator[None]:
    """Do the same as `explain_errors`, also for a folder that cannot be created or written."""
    try:
        with explain_errors(path):
            yield
    except FileExistsError as error:
        raise BadInput("this is a file, not a folder", ANOTHER, file=str(path)) from error
    except FileNotFoundError as error:
        raise BadInput("no folder can be created here", ANOTHER, file=str(path)) from error
    except NotADirectoryError as error:
        raise BadInput("Not a directory: a part of this path is a file", ANOTHER, file=str(path)) from error
    except OSError as error:
        raise BadInput(error.strerror or str(error), WRITABLE, file=str(path)) from error


@contextmanager
def immediate_transaction(database: Database) -> Iterator[Database]:
    """Run a block in BEGIN IMMEDIATE, so no other writer can change what it reads; nested: a savepoint."""
    if not database.conn.in_transaction:
        database.conn.execute("BEGIN IMMEDIATE")
        with _ended(database):
            yield database
    else:
        with database.atomic():
            yield database


@contextmanager
def _ended(database: Database) -> Iterator[None]:
    try:
        yield
        database.conn.execute("COMMIT")
    except BaseException:
        database.rollback()
        raise


@contextmanager
def allow_new_tables(database: KnownTables) -> Iterator[KnownTables]:
    """Let migrations create tables within the block."""
    database.sealed = False
    try:
        yield database
    finally:
        database.sealed = True


@contextmanager
def without_foreign_keys(database: Database) -> Iterator[Database]:
    """Suspend foreign keys while a table is recreated (https://sqlite.org/lang_altertable.html#otheralter)."""
    database.conn.execute("PRAGMA foreign_keys=off")
    try:
        yield database
    finally:
        database.conn.execute("PRAGMA foreign_keys=on")


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold the file `path` as a lock between processes and threads: only one of them switches to WAL and migrates."""
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
