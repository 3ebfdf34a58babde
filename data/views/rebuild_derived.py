"""The derived tables of labeling: how far each item is, how much each labeler and each source said. Triggers keep them; `rebuild` makes them anew."""

from __future__ import annotations

from data.sqlite.schema.counts import COUNTED as HOURLY
from data.sqlite.schema.projects import PAIR_QUEUED
from data.store import Store

COUNTED = "SELECT count(*) FROM current_rankings AS r WHERE r.task_id = ranking_tasks.id AND r.source = '{source}'"
DONE = """EXISTS (SELECT 1 FROM current_comparisons AS c WHERE c.pair_id = assignments.pair_id AND c.assignment_id = assignments.id)
    OR EXISTS (SELECT 1 FROM current_rankings AS r WHERE r.task_id = assignments.task_id AND r.assignment_id = assignments.id)
    OR EXISTS (SELECT 1 FROM skips AS s WHERE s.assignment_id = assignments.id)"""
TALLIED = """INSERT INTO tallies (labeler_id, project_id, answers) SELECT labeler_id, project_id, count(*) FROM
    (SELECT labeler_id, project_id FROM current_comparisons UNION ALL SELECT labeler_id, project_id FROM current_rankings) GROUP BY 1, 2"""


def rebuild(store: Store) -> None:
    """Make `queue`, `tallies`, `comparison_counts`, the counters of rankings and `assignments.done` again from the events."""
    with store.transaction():
        for statement in (
            "DELETE FROM queue",
            PAIR_QUEUED,
            "DELETE FROM tallies",
            TALLIED,
            "DELETE FROM comparison_counts",
            HOURLY,
            f"UPDATE assignments SET done = {DONE}",
            f"UPDATE ranking_tasks SET judged = ({COUNTED.format(source='person')}), simulated = ({COUNTED.format(source='simulated')})",
        ):
            store.execute(statement)
