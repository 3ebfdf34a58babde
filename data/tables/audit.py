# SPDX-License-Identifier: Apache-2.0
"""The audit list: an append-only list of acts that change accounts, projects, labels' use or files, with actor and time.

An act is in the same transaction as its change. The caller's address is personal data, so a side table holds it, which
an erasure empties.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from data.clock import now
from data.ids import canonical_json
from data.sqlite.table import Table

CALLER_ADDRESS: ContextVar[str] = ContextVar("caller_address", default="")
"""The network address of the request that is being answered; empty for commands. The gate sets it."""
ACTS = """SELECT a.id, a.created_at, a.actor, accounts.name, d.address, a.action, a.detail FROM audit AS a
    LEFT JOIN audit_addresses AS d ON d.audit_id = a.id
    LEFT JOIN accounts ON a.actor = 'account ' || accounts.id"""


class Audit(Table):
    """The acts, oldest first."""

    def add(self, actor: str, action: str, **detail: Any) -> None:  # noqa: ANN401 (the values of columns and fields have many types)
        """Record one act, with the address of the request."""
        row = {"actor": actor, "action": action, "detail": canonical_json(detail), "created_at": now()}
        with self._store.transaction():
            id = self._store.insert("audit", row)
            if address := CALLER_ADDRESS.get():
                self._store.insert("audit_addresses", {"audit_id": id, "address": address})

    def all(self, limit: int = 100) -> list[dict[str, Any]]:
        """Return the newest acts, newest first, each with the actor's present name and the address if there is one."""
        rows = self._store.rows(f"{ACTS} ORDER BY a.id DESC LIMIT ?", [limit])
        return [{**row, "detail": json.loads(row["detail"])} for row in rows]

    def since(self, moment: str = "") -> Iterator[dict[str, Any]]:
        """Yield the acts from `moment` on, oldest first; all of them if it is empty."""
        for row in self._store.stream(f"{ACTS} WHERE a.created_at >= ? ORDER BY a.id", [moment]):
            yield {**row, "detail": json.loads(row["detail"])}
