# SPDX-License-Identifier: Apache-2.0
"""Retractions of imported rows. A retracted row stays, but no training and no export of rows uses it.

Append-only: retracting and restoring are events, and the newest one of a row counts. Many rows change in chunks. Their
entry in the audit list comes with the first chunk. The same act again completes one that was interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from data.clock import now
from data.errors import BadInput
from data.ids import canonical_json
from data.sqlite.table import Table
from data.tables.audit import Audit
from data.tables.imports import IMPORT_DONE, PAUSE

Kind = Literal["comparison", "ranking", "instruction", "completion"]
KINDS: tuple[Kind, ...] = ("comparison", "ranking", "instruction", "completion")
CHUNK = 500
"""Rows in one commit: a labeler who submits meanwhile waits for one of them."""
CURRENT = "{0}.verdict != 'withdrawn' AND NOT EXISTS (SELECT 1 FROM {1} AS later WHERE later.supersedes = {0}.id)"
IMPORTED: dict[Kind, str] = {
    "comparison": f"SELECT id FROM comparisons AS o WHERE import_id IS NOT NULL AND {CURRENT.format('o', 'comparisons')}",
    "ranking": f"SELECT id FROM rankings AS o WHERE import_id IS NOT NULL AND {CURRENT.format('o', 'rankings')}",
    "instruction": "SELECT id FROM instructions WHERE import_id IS NOT NULL",
    "completion": "SELECT id FROM completions WHERE import_id IS NOT NULL",
}
"""The rows of each kind that can be retracted."""
LEFT = """SELECT DISTINCT value FROM json_each(?3)
WHERE EXISTS (SELECT 1 FROM retracted AS x WHERE x.kind = ?1 AND x.row_id = value) != ?2"""
"""The rows among ?3 that are not yet in the state ?2."""
WRITE = f"""INSERT INTO retractions (kind, row_id, retracted, actor, created_at)
SELECT ?1, value, ?2, ?4, ?5 FROM ({LEFT})"""


def not_retracted(kind: Kind, id: str) -> str:
    """Return the condition that leaves retracted rows out; `id` is the column of the row's id."""
    return f"NOT EXISTS (SELECT 1 FROM retracted AS x WHERE x.kind = '{kind}' AND x.row_id = CAST({id} AS TEXT))"


class Retractions(Table):
    """Retracts and restores imported rows."""

    def retract(self, kind: Kind, ids: Sequence[str], *, by: str) -> int:
        """Retract imported rows; return the number of those that were in use. Raises BadInput for another row."""
        return self._write(kind, ids, 1, by)

    def restore(self, kind: Kind, ids: Sequence[str], *, by: str) -> int:
        """Take retracted rows back; return their number. Raises BadInput for a row of no import."""
        return self._write(kind, ids, 0, by)

    def ids(self, kind: Kind) -> set[str]:
        """Return the ids of the retracted rows of a kind."""
        return {row["row_id"] for row in self._store.rows("SELECT row_id FROM retracted WHERE kind = ?", [kind])}

    def of_import(self, import_id: int) -> dict[Kind, list[str]]:
        """Return the ids of an import's rows by kind. Raises BadInput if there is no such finished import."""
        if not self._store.value("SELECT 1 FROM imports WHERE id = ? AND done_at IS NOT NULL", [import_id]):
            raise BadInput.of("error.no_import", field="import", import_id=import_id)
        rows = {
            kind: [str(row["id"]) for row in self._store.rows(f"{sql} AND import_id = ?", [import_id])]
            for kind, sql in IMPORTED.items()
        }
        return {kind: ids for kind, ids in rows.items() if ids}

    def last_id(self) -> int:
        """Return the number of the newest event; 0 without one."""
        return self._store.value("SELECT coalesce(max(id), 0) FROM retractions")

    def _write(self, kind: Kind, ids: Sequence[str], retracted: int, by: str) -> int:
        self._refuse_others(kind, ids)
        left = [row["value"] for row in self._store.rows(LEFT, [kind, retracted, _listed(ids)])]
        changed = 0
        for start in range(0, len(left), CHUNK):
            began = time.monotonic()
            with self._store.transaction():
                if not start:  # with the first rows, so an interruption leaves no change without its entry
                    act = "retract rows" if retracted else "restore rows"
                    Audit(self._store).add(by, act, kind=kind, rows=len(left))
                chunk = _listed(left[start : start + CHUNK])
                changed += self._store.execute(WRITE, [kind, retracted, chunk, by, now()])
            time.sleep(max(PAUSE, time.monotonic() - began) if start + CHUNK < len(left) else 0)
        return changed

    def _refuse_others(self, kind: Kind, ids: Sequence[str]) -> None:
        sql = f"""SELECT value FROM json_each(?) WHERE value NOT IN
            (SELECT CAST(id AS TEXT) FROM ({IMPORTED[kind]} AND {IMPORT_DONE})) LIMIT 1"""
        other = self._store.value(sql, [_listed(ids)])
        if other is not None:
            raise BadInput.of("error.no_imported", field="rows", what=kind, other=other)


def _listed(ids: Sequence[str]) -> str:
    return canonical_json([str(id) for id in ids])
