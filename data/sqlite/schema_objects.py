# SPDX-License-Identifier: Apache-2.0
"""Tables, triggers, views and indexes of `feedback.db`, compared with those that this version's migrations create.

A trigger or view that no migration creates could change rows unnoticed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlite_utils import Database

from data.sqlite.migrations import migrations

OBJECTS = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
APPLIED = "SELECT name FROM _sqlite_migrations"
COLUMNS = "SELECT name FROM pragma_table_xinfo(?) ORDER BY name"


class SchemaObject(NamedTuple):
    """A table, trigger, view or index, and the statement that creates it."""

    kind: str
    name: str
    sql: str


class SchemaDifference(NamedTuple):
    """An object that is unknown, missing or changed; `expected` is the one that the migrations create."""

    kind: str
    name: str
    state: str
    expected: SchemaObject | None = None

    def __str__(self) -> str:
        state = {"unknown": "is not of this program", "missing": "is missing", "changed": "differs from this version's"}
        return f"the {self.kind} {self.name!r} {state[self.state]}"


def compare_schema(connection: Any) -> list[SchemaDifference]:  # noqa: ANN401 (pysqlite3 has no types)
    """Return every difference between the objects of a database and those of its own migrations, by name.

    Tables differ if their columns do; every other object if its statement does.
    """
    expected = Database(memory=True)
    _migrate(expected, {row[0] for row in connection.execute(APPLIED)})
    wanted, present = _objects(expected.conn), _objects(connection)
    differences = [SchemaDifference(item.kind, name, "unknown") for name, item in present.items() if name not in wanted]
    for name, item in wanted.items():
        if name not in present:
            differences.append(SchemaDifference(item.kind, name, "missing", item))
        elif _identity(item, expected.conn) != _identity(present[name], connection):
            differences.append(SchemaDifference(item.kind, name, "changed", item))
    expected.close()
    return sorted(differences)


def _migrate(database: Database, applied: Collection[str]) -> None:
    """Apply the migrations up to the first one that the compared database lacks."""
    names = [migration.name for migration in migrations.pending(database)]
    missing = next((name for name in names if name not in applied), None)
    migrations.apply(database, **({"stop_before": missing} if missing else {}))


def _objects(connection: Any) -> dict[str, SchemaObject]:  # noqa: ANN401 (pysqlite3 has no types)
    return {row[1]: SchemaObject(*row) for row in connection.execute(OBJECTS)}


def _identity(item: SchemaObject, connection: Any) -> object:  # noqa: ANN401 (pysqlite3 has no types)
    if item.kind == "table":
        return item.kind, [row[0] for row in connection.execute(COLUMNS, [item.name])]
    return item.kind, " ".join(item.sql.split())
