"""The store of one home folder: `feedback.db` for what people and models said, `metrics.db` for curves of running training.

`Store` opens and migrates; the verbs stand with their nouns (`store.prompts.add`, `store.comparisons.record`). Identity
is content: prompts, completions, snapshots and imported rows are found again by a hash, so writing twice is writing once.
What a caller saw acknowledged survives kill -9 and power loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from data.accounts import Accounts
from data.audit import Audit
from data.comparisons import Comparisons
from data.completions import Completions
from data.connection import Connections, alone, explained, immediate, opening, require_sqlite, unsealed
from data.errors import BadInput
from data.evaluations import Evaluations
from data.instructions import Instructions
from data.metrics import Metrics
from data.migrations import NAMES, migrations
from data.pairs import Pairs
from data.policies import Policies
from data.prompts import Prompts
from data.reward_models import RewardModels
from data.runs import Runs
from data.snapshots import Snapshots
from data.tokens import Tokens

FILE = "feedback.db"


class Store:
    """Opens (makes, migrates) the store in a home folder.

    Thread-safe: every thread has a connection of its own. Raises BadInput where the folder cannot be made or written,
    the file is something else or belongs to a newer version, or SQLite is too old.
    """

    def __init__(self, path: Path | str) -> None:
        require_sqlite()
        path = Path(path).expanduser()
        self.path = path if path.suffix == ".db" else path / FILE
        self.home = self.path.parent
        with opening(self.home):
            self.home.mkdir(parents=True, exist_ok=True)
        self._connections = Connections(self.path, synchronous="full")
        self._migrate()
        self.prompts = Prompts(self)
        self.instructions = Instructions(self)
        self.completions = Completions(self)
        self.pairs = Pairs(self)
        self.comparisons = Comparisons(self)
        self.accounts = Accounts(self)
        self.tokens = Tokens(self)
        self.runs = Runs(self)
        self.policies = Policies(self)
        self.reward_models = RewardModels(self)
        self.snapshots = Snapshots(self)
        self.evaluations = Evaluations(self)
        self.audit = Audit(self)
        self.metrics = Metrics(self.home)

    @property
    def db(self) -> Database:
        """This thread's sqlite-utils database; it refuses tables that the schema does not know."""
        return self._connections.database()

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """All or nothing, alone among writers from the first statement (BEGIN IMMEDIATE); nested: a savepoint."""
        with explained(self.path), immediate(self.db) as database:
            yield database

    def rows(self, sql: str, parameters: Sequence | Mapping = ()) -> list[dict[str, Any]]:
        """Every row that a query gives, as dictionaries."""
        cursor = self.db.conn.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def row(self, sql: str, parameters: Sequence | Mapping = ()) -> dict[str, Any] | None:
        """The first row that a query gives, or None."""
        return next(iter(self.rows(sql, parameters)), None)

    def value(self, sql: str, parameters: Sequence | Mapping = ()) -> Any:
        """The first column of the first row, or None."""
        found = self.db.conn.execute(sql, parameters).fetchone()
        return found[0] if found else None

    def insert(self, table: str, values: Mapping[str, Any], *, ignore: bool = False) -> int | None:
        """Write one row; its rowid, or None where `ignore` and a unique key has it already."""
        with self.transaction() as database:
            cursor = database.conn.execute(_insert(table, list(values), ignore), list(values.values()))
            return cursor.lastrowid if cursor.rowcount else None

    def insert_many(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Write the rows that no unique key has already, in one commit; how many were added."""
        with self.transaction() as database:
            return max(database.conn.executemany(_insert(table, columns, True), rows).rowcount, 0)

    def execute(self, sql: str, parameters: Sequence | Mapping = ()) -> int:
        """Run one writing statement; how many rows it touched."""
        with self.transaction() as database:
            return database.conn.execute(sql, parameters).rowcount

    def close(self) -> None:
        """Close the connections of every thread."""
        self._connections.close()
        self.metrics.close()

    def _migrate(self) -> None:
        with opening(self.path), alone(self.home / f"{self.path.name}.lock"), unsealed(self._connections.database()) as database:
            self._refuse_newer(database)
            if migrations.pending(database):
                with immediate(database):
                    migrations.apply(database)

    def _refuse_newer(self, database: Database) -> None:
        unknown = {done.name for done in migrations.applied(database)} - NAMES
        if unknown:
            raise BadInput(
                f"the store has the change {min(unknown)!r}, which this version does not know",
                "Start the newer version that wrote it.",
                file=str(self.path),
            )


def _insert(table: str, columns: Sequence[str], ignore: bool) -> str:
    # ON CONFLICT rather than OR IGNORE, which would swallow NOT NULL and CHECK failures as well.
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})" + (" ON CONFLICT DO NOTHING" if ignore else "")
