# SPDX-License-Identifier: Apache-2.0
"""Snapshots: the rows a run trained on, frozen with their weights; the same content is the same snapshot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from data.clock import now
from data.errors import BadInput
from data.ids import SNAPSHOT, canonical_json, content_hash, parse_id
from data.records import Snapshot
from data.sqlite.table import Table


class Snapshots(Table):
    """Frozen data sets; they link a model to the labels that trained it."""

    def freeze(
        self, kind: str, rows: Sequence[Mapping[str, Any]], filters: Mapping[str, Any], name: str | None = None
    ) -> Snapshot:
        """Freeze rows of a kind ('preferences', 'instructions', 'prompts', 'text').

        Returns the existing snapshot if one has the same rows.
        """
        written = [canonical_json(dict(row)) for row in rows]
        hash = content_hash(kind, written)
        row = {
            "hash": hash,
            "kind": kind,
            "name": name,
            "row_count": len(written),
            "filters": canonical_json(dict(filters)),
        }
        with self._store.transaction():
            id = self._store.insert_or_ignore("snapshots", row | {"created_at": now()})
            if id is not None:
                numbered = [(id, position, text) for position, text in enumerate(written)]
                self._store.insert_many("snapshot_rows", ("snapshot_id", "position", "row"), numbered)
            return self._one("hash", hash)

    def get(self, id: int | str) -> Snapshot:
        """Return the snapshot, by number or public id. Raises BadInput if there is none."""
        return self._one("id", parse_id(id, SNAPSHOT))

    def by_hash(self, hash: str) -> Snapshot:
        """Return the snapshot of that content. Raises BadInput if there is none."""
        return self._one("hash", hash)

    def all(self) -> list[Snapshot]:
        """Return all snapshots, oldest first."""
        return [_snapshot(row) for row in self._store.rows("SELECT * FROM snapshots ORDER BY id")]

    def rows(self, id: int | str) -> list[dict[str, Any]]:
        """Return the rows as they were frozen, in order. Raises BadInput if there is no such snapshot."""
        snapshot = self.get(id)
        sql = "SELECT row FROM snapshot_rows WHERE snapshot_id = ? ORDER BY position"
        return [json.loads(row["row"]) for row in self._store.rows(sql, [snapshot.id])]

    def _one(self, column: str, value: Any) -> Snapshot:  # noqa: ANN401 (any JSON value)
        row = self._store.maybe(f"SELECT * FROM snapshots WHERE {column} = ?", [value])
        if row is None:
            raise BadInput.of("error.no_snapshot", value=value)
        return _snapshot(row)


def _snapshot(row: Mapping[str, Any]) -> Snapshot:
    return Snapshot(**{**row, "filters": json.loads(row["filters"])})
