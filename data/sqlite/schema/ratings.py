# SPDX-License-Identifier: Apache-2.0
"""The schema of ratings: scores from 0 to 5 that people give instruction rows.

`data.sqlite.migrations` applies it; never edited, later changes are migrations.
"""

from __future__ import annotations

RATINGS = """
CREATE TABLE ratings (
    id TEXT PRIMARY KEY,                -- made by the client: submitting twice is submitting once
    instruction_id INTEGER NOT NULL REFERENCES instructions (id),
    labeler_id INTEGER NOT NULL REFERENCES accounts (id),
    score INTEGER CHECK (score BETWEEN 0 AND 5),      -- NULL: this person cannot tell
    rubric_version INTEGER NOT NULL,
    supersedes TEXT UNIQUE REFERENCES ratings (id),
    source TEXT NOT NULL CHECK (source IN ('person', 'simulated')),
    created_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_first_rating ON ratings (instruction_id, labeler_id) WHERE supersedes IS NULL;
CREATE INDEX ratings_labeler ON ratings (labeler_id);
CREATE VIEW current_ratings AS
    SELECT r.rowid AS number, r.* FROM ratings AS r WHERE NOT EXISTS (SELECT 1 FROM ratings AS later WHERE later.supersedes = r.id);
"""

FROZEN = {"ratings": ("UPDATE", "DELETE")}
