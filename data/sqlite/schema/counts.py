# SPDX-License-Identifier: Apache-2.0
"""The schema of running counts: triggers update them with each event, so no page counts a million rows.

`comparison_counts` has the current comparisons of each source by the hour (UTC) in which they were made, those of
an import apart, since they count for nobody before it is done. Never edited: later changes are migrations.
"""

from __future__ import annotations

COUNTS = """
CREATE TABLE comparison_counts (
    source TEXT NOT NULL,
    hour TEXT NOT NULL,                 -- the first 13 characters of created_at
    import_id INTEGER NOT NULL,         -- 0 for none
    n INTEGER NOT NULL,
    PRIMARY KEY (source, hour, import_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX comparisons_time ON comparisons (created_at);
CREATE INDEX queue_unjudged ON queue (pair_id) WHERE judged = 0 AND simulated = 0;
CREATE INDEX pairs_purpose ON pairs (purpose);
CREATE INDEX prompts_shelf ON prompts (source, split, import_id);
"""

COUNTED = """INSERT INTO comparison_counts (source, hour, import_id, n)
SELECT source, substr(created_at, 1, 13), coalesce(import_id, 0), count(*) FROM comparisons AS c
WHERE verdict != 'withdrawn' AND NOT EXISTS (SELECT 1 FROM comparisons AS later WHERE later.supersedes = c.id) GROUP BY 1, 2, 3"""
"""Fills the table from all events."""

TRIGGERS = (
    """CREATE TRIGGER comparisons_hourly AFTER INSERT ON comparisons WHEN NEW.verdict != 'withdrawn'
BEGIN INSERT INTO comparison_counts (source, hour, import_id, n) VALUES (NEW.source, substr(NEW.created_at, 1, 13), coalesce(NEW.import_id, 0), 1)
    ON CONFLICT DO UPDATE SET n = n + 1; END""",
    """CREATE TRIGGER comparisons_hourly_superseded AFTER INSERT ON comparisons WHEN NEW.supersedes IS NOT NULL
BEGIN UPDATE comparison_counts SET n = n - 1 WHERE (source, hour, import_id) = (SELECT o.source, substr(o.created_at, 1, 13),
    coalesce(o.import_id, 0) FROM comparisons AS o WHERE o.id = NEW.supersedes AND o.verdict != 'withdrawn'); END""",
    """CREATE TRIGGER comparisons_hourly_removed AFTER DELETE ON comparisons
WHEN OLD.verdict != 'withdrawn' AND NOT EXISTS (SELECT 1 FROM comparisons AS later WHERE later.supersedes = OLD.id)
BEGIN UPDATE comparison_counts SET n = n - 1
    WHERE source = OLD.source AND hour = substr(OLD.created_at, 1, 13) AND import_id = coalesce(OLD.import_id, 0); END""",
)
