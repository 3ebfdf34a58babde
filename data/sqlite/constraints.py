# SPDX-License-Identifier: Apache-2.0
"""Changes of constraints without copying a table.

SQLite has no statement for it. Its documentation changes the stored definition instead, if the change leaves the rows
as they are: https://sqlite.org/lang_altertable.html#otheralter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlite_utils import Database

Replacement = tuple[str, str]
"""A part of a definition, and what replaces it."""


def change_constraints(db: Database, changes: Mapping[str, Sequence[Replacement]]) -> None:
    """Replace parts of the definitions of tables, inside the caller's transaction. No row is read or written.

    Only for constraints that every stored row meets. Raises ValueError for a part that a definition does not hold
    exactly once.
    """
    changed = {table: _replace(db, table, parts) for table, parts in changes.items()}
    (version,) = db.execute("PRAGMA schema_version").fetchone()
    db.execute("PRAGMA writable_schema=on")
    try:
        for table, definition in changed.items():
            db.execute("UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?", [definition, table])
        db.execute(f"PRAGMA schema_version={version + 1}")  # every connection reads the definitions again
    finally:
        db.execute("PRAGMA writable_schema=off")
    for table in changes:  # an error in a definition shows here, and the caller rolls back
        db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()


def _replace(db: Database, table: str, parts: Sequence[Replacement]) -> str:
    (definition,) = db.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", [table]).fetchone()
    for old, new in parts:
        if definition.count(old) != 1:
            raise ValueError(f"the definition of {table} does not hold {old!r} once")
        definition = definition.replace(old, new)
    return definition
