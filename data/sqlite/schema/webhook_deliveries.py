# SPDX-License-Identifier: Apache-2.0
"""The table of runs whose end was sent to the webhook, or could not be sent."""

from __future__ import annotations

TABLE = """
CREATE TABLE webhook_deliveries (
    run_id INTEGER PRIMARY KEY REFERENCES runs (id),
    problem TEXT,                       -- NULL: the server took it
    created_at TEXT NOT NULL
) STRICT
"""
