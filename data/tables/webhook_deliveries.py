# SPDX-License-Identifier: Apache-2.0
"""Deliveries: the runs whose end was sent to the webhook, each with the problem if it could not be sent."""

from __future__ import annotations

from data.clock import now
from data.sqlite.table import Table


class WebhookDeliveries(Table):
    """One row for each run that was tried; a run is tried once, with its retries."""

    def due(self, since: str) -> list[int]:
        """Return the runs that ended after `since` and were not tried yet, in the order of their ends."""
        sql = (
            "SELECT id FROM runs WHERE ended_at > ? AND NOT EXISTS"
            " (SELECT 1 FROM webhook_deliveries WHERE run_id = runs.id) ORDER BY ended_at"
        )
        return [row["id"] for row in self._store.rows(sql, [since])]

    def record(self, run_id: int, problem: str | None) -> None:
        """Record that the run was sent, or the problem."""
        values = [run_id, problem, now()]
        self._store.execute("INSERT OR REPLACE INTO webhook_deliveries VALUES (?, ?, ?)", values)

    def problem(self, run_id: int) -> str | None:
        """Return why the end of a run could not be sent; None if it was sent or not tried."""
        return self._store.value("SELECT max(problem) FROM webhook_deliveries WHERE run_id = ?", [run_id])
