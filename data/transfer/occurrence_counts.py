# SPDX-License-Identifier: Apache-2.0
"""Counts of contents that do not fit into memory, in a private file that SQLite deletes."""

from __future__ import annotations

from sqlite_utils.utils import sqlite3

from data.ids import content_hash

COUNT = "INSERT INTO seen VALUES (?, 1) ON CONFLICT (hash) DO UPDATE SET times = times + 1 RETURNING times"


class Occurrences:
    """Counts by content."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=off")
        self._database.execute("CREATE TABLE seen (hash TEXT PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID")

    def before(self, *parts: object) -> int:
        """Count this content; return how often it occurred before."""
        return self._database.execute(COUNT, [content_hash(*parts)]).fetchone()[0] - 1
