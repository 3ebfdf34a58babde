# SPDX-License-Identifier: Apache-2.0
"""The schema of imports: rows are written in chunks and count together.

`data.sqlite.migrations` applies it; never edited, later changes are migrations.

A row with an `import_id` whose import has no `done_at` is not there yet for anyone: the view leaves it out, and
lists of prompts and instructions do. Setting `done_at` is the one small write that makes all of them count. Pairs
for the labelers then enter the queue by chunks, and `revealed_at` says that all have: what a crash interrupts
there, the next start continues with.
"""

from __future__ import annotations

TABLES = ("comparisons", "assignments", "pairs", "completions", "instructions", "prompts")
"""The tables that an import writes; a table comes before those that it refers to."""

IMPORTS = """
CREATE TABLE imports (
    id INTEGER PRIMARY KEY,
    actor TEXT NOT NULL,
    what TEXT NOT NULL,
    files TEXT NOT NULL,                -- JSON list of names
    created_at TEXT NOT NULL,
    done_at TEXT,                       -- NULL: its rows do not count
    revealed_at TEXT                    -- NULL: not all of its pairs are in the labelers' queue
) STRICT;
CREATE INDEX imports_open ON imports (id) WHERE done_at IS NULL;
CREATE INDEX imports_hidden ON imports (id) WHERE revealed_at IS NULL;
DROP VIEW current_comparisons;
CREATE VIEW current_comparisons AS
    SELECT * FROM comparisons AS c WHERE verdict != 'withdrawn'
    AND NOT EXISTS (SELECT 1 FROM comparisons AS later WHERE later.supersedes = c.id)
    AND (import_id IS NULL OR import_id NOT IN (SELECT id FROM imports WHERE done_at IS NULL));
DROP TRIGGER comparisons_refuse_delete;
"""

GUARD = """
CREATE TRIGGER comparisons_refuse_delete BEFORE DELETE ON comparisons
WHEN NOT EXISTS (SELECT 1 FROM imports WHERE id = OLD.import_id AND done_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'comparisons are written once: add a row that supersedes'); END
"""

ASPECTS = (
    "DROP TRIGGER comparison_aspects_refuse_delete",
    """
CREATE TRIGGER comparison_aspects_refuse_delete BEFORE DELETE ON comparison_aspects
WHEN NOT EXISTS (SELECT 1 FROM comparisons AS c JOIN imports AS i ON i.id = c.import_id
    WHERE c.id = OLD.comparison_id AND i.done_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'comparison_aspects are written once: add a row that supersedes'); END
""",
    """
CREATE TRIGGER comparisons_delete_aspects BEFORE DELETE ON comparisons
BEGIN DELETE FROM comparison_aspects WHERE comparison_id = OLD.id; END
""",
)
"""Aspects of imported comparisons: they go with the comparisons of an import that broke off."""
EDITS = """
CREATE TRIGGER comparisons_delete_edits BEFORE DELETE ON comparisons
BEGIN DELETE FROM edits WHERE comparison_id = OLD.id; END
"""
"""Edits of imported comparisons go with them."""
