# SPDX-License-Identifier: Apache-2.0
"""The schema of imported rankings, and of the source `ai`: labels of a model that judged.

Imported rankings obey the rules of imported comparisons (`data.sqlite.schema.imports`): they count once their import
is done, and only an import that broke off is deleted. Never edited: later changes are migrations.
"""

from __future__ import annotations

TABLES = ("rankings", "ranking_tasks")

_SOURCES = ("source IN ('person', 'simulated', 'import')", "source IN ('person', 'simulated', 'import', 'ai')")
CONSTRAINTS = {
    "comparisons": (_SOURCES, ("OR source = 'import')", "OR source IN ('import', 'ai'))")),
    "rankings": (
        _SOURCES,
        (
            "assignment_id TEXT NOT NULL REFERENCES assignments (id)",
            "assignment_id TEXT REFERENCES assignments (id)"
            " CHECK (assignment_id IS NOT NULL OR source IN ('import', 'ai'))",
        ),
    ),
}
"""Table -> parts of its definition and what replaces them. Imported rankings have no assignment, as comparisons."""

VIEW = """
CREATE VIEW current_rankings AS
    SELECT * FROM rankings AS r WHERE verdict != 'withdrawn'
    AND NOT EXISTS (SELECT 1 FROM rankings AS later WHERE later.supersedes = r.id)
    AND (import_id IS NULL OR import_id NOT IN (SELECT id FROM imports WHERE done_at IS NULL))
"""
INDEX = "CREATE INDEX ranking_answers_completion ON ranking_answers (completion_id)"

REPLACED = {
    "rankings_of_their_assignment": """
CREATE TRIGGER rankings_of_their_assignment BEFORE INSERT ON rankings
WHEN NEW.assignment_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM assignments AS a WHERE a.id = NEW.assignment_id AND a.task_id = NEW.task_id AND a.labeler_id = NEW.labeler_id)
BEGIN SELECT RAISE(ABORT, 'a ranking is the answer of the person to the task of its assignment'); END
""",
    "rankings_refuse_delete": """
CREATE TRIGGER rankings_refuse_delete BEFORE DELETE ON rankings
WHEN NOT EXISTS (SELECT 1 FROM imports WHERE id = OLD.import_id AND done_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'rankings are written once: add a row that supersedes'); END
""",
    "ranking_places_refuse_delete": """
CREATE TRIGGER ranking_places_refuse_delete BEFORE DELETE ON ranking_places
WHEN NOT EXISTS (SELECT 1 FROM rankings AS r JOIN imports AS i ON i.id = r.import_id
    WHERE r.id = OLD.ranking_id AND i.done_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'ranking_places are written once: add a row that supersedes'); END
""",
    "ranking_answers_refuse_delete": """
CREATE TRIGGER ranking_answers_refuse_delete BEFORE DELETE ON ranking_answers
WHEN NOT EXISTS (SELECT 1 FROM ranking_tasks AS t JOIN imports AS i ON i.id = t.import_id
    WHERE t.id = OLD.task_id AND i.done_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'ranking_answers are written once: add a row that supersedes'); END
""",
}
"""Trigger -> its new definition."""
REMOVED = (
    """
CREATE TRIGGER rankings_delete_places BEFORE DELETE ON rankings
BEGIN DELETE FROM ranking_places WHERE ranking_id = OLD.id; END
""",
    """
CREATE TRIGGER ranking_tasks_delete_answers BEFORE DELETE ON ranking_tasks
BEGIN DELETE FROM ranking_answers WHERE task_id = OLD.id; END
""",
    """
CREATE TRIGGER rankings_uncounted AFTER DELETE ON rankings WHEN OLD.source = 'simulated' AND OLD.verdict != 'withdrawn'
BEGIN UPDATE ranking_tasks SET simulated = simulated - 1 WHERE id = OLD.task_id; END
""",
)
"""Triggers that delete the rows of a ranking or a task of an unfinished import with it, and correct its counts."""
