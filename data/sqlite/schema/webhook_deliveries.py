# SPDX-License-Identifier: Apache-2.0
"""Later tables and columns of runs: whether their end was sent to the webhook, and where they work.

Never edited: later changes are migrations.
"""

from __future__ import annotations

TABLE = """
CREATE TABLE webhook_deliveries (
    run_id INTEGER PRIMARY KEY REFERENCES runs (id),
    problem TEXT,                       -- NULL: the server took it
    created_at TEXT NOT NULL
) STRICT
"""
LAUNCHERS = (
    "ALTER TABLE runs ADD COLUMN launcher TEXT NOT NULL DEFAULT 'local'",
    "ALTER TABLE runs ADD COLUMN handle TEXT",  # the launcher's own name of the run
    "ALTER TABLE runs ADD COLUMN node TEXT NOT NULL DEFAULT ''",
    """CREATE TABLE worker_tokens (
    hash TEXT PRIMARY KEY,              -- sha256 of the token; the token itself is never stored
    name TEXT UNIQUE,                   -- of a worker, which may claim runs; NULL: the token of one run
    run_id INTEGER UNIQUE REFERENCES runs (id),
    created_at TEXT NOT NULL,
    CHECK ((name IS NULL) != (run_id IS NULL))
) STRICT""",
)
CLAIMS = "ALTER TABLE worker_tokens ADD COLUMN claim TEXT"
"""Adds the claim of the worker that works on the run of a token."""
