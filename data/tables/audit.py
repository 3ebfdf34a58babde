# SPDX-License-Identifier: Apache-2.0
"""The audit list: an append-only list of acts that change others' work (accounts, imports, exports, erasures)."""

from __future__ import annotations

import json
from typing import Any

from data.clock import now
from data.ids import canonical_json
from data.sqlite.table import Table


class Audit(Table):
    """The acts, oldest first."""

    def add(self, actor: str, action: str, **detail: Any) -> None:  # noqa: ANN401 (the values of columns and fields have many types)
        """Record one act."""
        row = {"actor": actor, "action": action, "detail": canonical_json(detail), "created_at": now()}
        self._store.insert("audit", row)

    def all(self, limit: int = 100) -> list[dict[str, Any]]:
        """Return the newest acts, newest first."""
        rows = self._store.rows("SELECT * FROM audit ORDER BY id DESC LIMIT ?", [limit])
        return [{**row, "detail": json.loads(row["detail"])} for row in rows]
