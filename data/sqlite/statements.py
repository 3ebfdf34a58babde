# SPDX-License-Identifier: Apache-2.0
"""Statements of migrations: scripts as single statements, and triggers that keep events as they were written."""

from __future__ import annotations

from collections.abc import Mapping

from sqlite_utils import Database


def freeze_tables(db: Database, frozen: Mapping[str, tuple[str, ...]]) -> None:
    """Create triggers that refuse these statements on these tables."""
    for table, verbs in frozen.items():
        for verb in verbs:
            db.execute(
                f"CREATE TRIGGER {table}_refuse_{verb.split()[0].lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} are written once: add a row that supersedes'); END"
            )


def split_statements(script: str) -> list[str]:
    """Split a script: executescript would commit the migration's own transaction."""
    bare = "\n".join(line.split("--")[0].rstrip() for line in script.splitlines())
    return [statement for statement in bare.split(";") if statement.strip()]
