# SPDX-License-Identifier: Apache-2.0
"""Notes: the name, text, tags and marks that people give to runs, policies and reward models.

At most one thing of a kind is the baseline.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from data.ids import canonical_json
from data.records import Note
from data.sqlite.table import Table

EMPTY = Note()


class Notes(Table):
    """Notes by the prefix of a thing's public id and its number. A thing without one has the empty note."""

    def get(self, kind: str, id: int) -> Note:
        """Return the note of one thing."""
        row = self._store.maybe("SELECT * FROM notes WHERE kind = ? AND id = ?", [kind, id])
        return _note(row) if row else EMPTY

    def all(self, kind: str) -> dict[int, Note]:
        """Return the notes of a kind by number."""
        return {row["id"]: _note(row) for row in self._store.rows("SELECT * FROM notes WHERE kind = ?", [kind])}

    def set(self, kind: str, id: int, note: Note) -> None:
        """Replace the note of a thing. A new baseline takes the mark from the old one."""
        columns = {**note._asdict(), "tags": canonical_json(list(note.tags)), "kind": kind, "id": id}
        marks = ", ".join(f":{name}" for name in columns)
        with self._store.transaction():
            if note.baseline:
                self._store.execute("UPDATE notes SET baseline = 0 WHERE kind = ?", [kind])
            self._store.execute(f"INSERT OR REPLACE INTO notes ({', '.join(columns)}) VALUES ({marks})", columns)


def _note(row: Mapping[str, Any]) -> Note:
    marks = {name: bool(row[name]) for name in ("archived", "baseline")}
    return Note(row["name"], row["text"], tuple(json.loads(row["tags"])), **marks)
