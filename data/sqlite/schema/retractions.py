# SPDX-License-Identifier: Apache-2.0
"""The schema of retractions: imported rows that no training and no export of rows uses, until they are taken back.

`retractions` holds the events: the newest one of a row counts, and nothing is deleted. `retracted` is derived from
them by triggers, which also correct the counters that the row is part of. Never edited: later changes are migrations.
"""

from __future__ import annotations

TABLES = """
CREATE TABLE retractions (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('comparison', 'ranking', 'instruction', 'completion')),
    row_id TEXT NOT NULL,
    retracted INTEGER NOT NULL CHECK (retracted IN (0, 1)),     -- 0: taken back
    actor TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE retracted (
    kind TEXT NOT NULL,
    row_id TEXT NOT NULL,
    PRIMARY KEY (kind, row_id)
) STRICT, WITHOUT ROWID;
DROP VIEW current_comparisons;
CREATE VIEW current_comparisons AS
    SELECT * FROM comparisons AS c WHERE verdict != 'withdrawn'
    AND NOT EXISTS (SELECT 1 FROM comparisons AS later WHERE later.supersedes = c.id)
    AND (import_id IS NULL OR import_id NOT IN (SELECT id FROM imports WHERE done_at IS NULL))
    AND NOT EXISTS (SELECT 1 FROM retracted AS x WHERE x.kind = 'comparison' AND x.row_id = c.id);
DROP VIEW current_rankings;
CREATE VIEW current_rankings AS
    SELECT * FROM rankings AS r WHERE verdict != 'withdrawn'
    AND NOT EXISTS (SELECT 1 FROM rankings AS later WHERE later.supersedes = r.id)
    AND (import_id IS NULL OR import_id NOT IN (SELECT id FROM imports WHERE done_at IS NULL))
    AND NOT EXISTS (SELECT 1 FROM retracted AS x WHERE x.kind = 'ranking' AND x.row_id = r.id);
"""

_COMPARISON = """
    UPDATE tallies SET answers = answers {sign} 1
        WHERE (labeler_id, project_id) = (SELECT labeler_id, project_id FROM comparisons WHERE id = {row}.row_id);
    UPDATE comparison_counts SET n = n {sign} 1 WHERE (source, hour, import_id) =
        (SELECT source, substr(created_at, 1, 13), coalesce(import_id, 0) FROM comparisons WHERE id = {row}.row_id);
    UPDATE queue SET simulated = simulated {sign} 1
        WHERE pair_id = (SELECT pair_id FROM comparisons WHERE id = {row}.row_id AND source = 'simulated');
    UPDATE assignments SET done = {done} WHERE id = (SELECT assignment_id FROM comparisons WHERE id = {row}.row_id);
"""
_RANKING = """
    UPDATE tallies SET answers = answers {sign} 1
        WHERE (labeler_id, project_id) = (SELECT labeler_id, project_id FROM rankings WHERE id = {row}.row_id);
    UPDATE ranking_tasks SET simulated = simulated {sign} 1
        WHERE id = (SELECT task_id FROM rankings WHERE id = {row}.row_id AND source = 'simulated');
    UPDATE assignments SET done = {done} WHERE id = (SELECT assignment_id FROM rankings WHERE id = {row}.row_id);
"""
_PAIRS = """prompt_id = (SELECT prompt_id FROM completions WHERE id = {row}.row_id)
        AND {row}.row_id IN (first_id, second_id)"""
_TASKS = "id IN (SELECT task_id FROM ranking_answers WHERE completion_id = {row}.row_id)"
_GONE = "EXISTS (SELECT 1 FROM retracted AS x WHERE x.kind = 'completion' AND x.row_id IN ({answers}))"
_ANSWERS = "SELECT completion_id FROM ranking_answers WHERE task_id = ranking_tasks.id"
# The plus keeps SQLite from reading all pairs by the index on `shown`, once for each completion.
_HIDE = f"""
    UPDATE pairs SET shown = 0 WHERE +shown = 1 AND {_PAIRS.format(row="NEW")};
    UPDATE ranking_tasks SET shown = 0 WHERE {_TASKS.format(row="NEW")};
"""
_SHOW = f"""
    UPDATE pairs SET shown = 1 WHERE +shown = 0 AND purpose != 'import' AND {_PAIRS.format(row="OLD")}
        AND (SELECT text FROM completions WHERE id = first_id) != (SELECT text FROM completions WHERE id = second_id)
        AND NOT {_GONE.format(answers="first_id, second_id")};
    UPDATE ranking_tasks SET shown = 1 WHERE purpose != 'import' AND {_TASKS.format(row="OLD")}
        AND NOT {_GONE.format(answers=_ANSWERS)};
"""


def _triggers(kind: str, retract: str, restore: str) -> tuple[str, str]:
    return (
        f"CREATE TRIGGER {kind}_retracted AFTER INSERT ON retracted WHEN NEW.kind = '{kind}' BEGIN {retract} END",
        f"CREATE TRIGGER {kind}_restored AFTER DELETE ON retracted WHEN OLD.kind = '{kind}' BEGIN {restore} END",
    )


TRIGGERS = (
    """CREATE TRIGGER retractions_applied AFTER INSERT ON retractions BEGIN
    INSERT INTO retracted (kind, row_id) SELECT NEW.kind, NEW.row_id WHERE NEW.retracted ON CONFLICT DO NOTHING;
    DELETE FROM retracted WHERE NOT NEW.retracted AND kind = NEW.kind AND row_id = NEW.row_id; END""",
    *_triggers(
        "comparison",
        _COMPARISON.format(sign="-", row="NEW", done=0),
        _COMPARISON.format(sign="+", row="OLD", done=1),
    ),
    *_triggers("ranking", _RANKING.format(sign="-", row="NEW", done=0), _RANKING.format(sign="+", row="OLD", done=1)),
    *_triggers("completion", _HIDE, _SHOW),
)

COUNTED = """INSERT INTO comparison_counts (source, hour, import_id, n)
SELECT source, substr(created_at, 1, 13), coalesce(import_id, 0), count(*) FROM comparisons AS c
WHERE verdict != 'withdrawn' AND NOT EXISTS (SELECT 1 FROM comparisons AS later WHERE later.supersedes = c.id)
AND NOT EXISTS (SELECT 1 FROM retracted AS x WHERE x.kind = 'comparison' AND x.row_id = c.id) GROUP BY 1, 2, 3"""
"""Fills `comparison_counts` from all events."""

FROZEN = {"retractions": ("UPDATE", "DELETE")}
