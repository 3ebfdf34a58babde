# SPDX-License-Identifier: Apache-2.0
"""Rebuilding of the derived tables of labeling from the events; triggers update them as events come in."""

from __future__ import annotations

from data.sqlite.schema.projects import PAIR_QUEUED
from data.sqlite.schema.quality import DISPUTED
from data.sqlite.schema.retractions import COUNTED
from data.store import Store

RANKING_COUNT = (
    "SELECT count(*) FROM current_rankings AS r WHERE r.task_id = ranking_tasks.id AND r.source = '{source}'"
)
ASSIGNMENT_DONE = """EXISTS (SELECT 1 FROM current_comparisons AS c WHERE c.pair_id = assignments.pair_id AND c.assignment_id = assignments.id)
    OR EXISTS (SELECT 1 FROM current_rankings AS r WHERE r.task_id = assignments.task_id AND r.assignment_id = assignments.id)
    OR EXISTS (SELECT 1 FROM skips AS s WHERE s.assignment_id = assignments.id)"""
TALLIES = """INSERT INTO tallies (labeler_id, project_id, answers) SELECT labeler_id, project_id, count(*) FROM
    (SELECT labeler_id, project_id FROM current_comparisons UNION ALL SELECT labeler_id, project_id FROM current_rankings) GROUP BY 1, 2"""
STATEMENTS = (
    "DELETE FROM queue",
    PAIR_QUEUED,
    "DELETE FROM tallies",
    TALLIES,
    "DELETE FROM comparison_counts",
    COUNTED,
    f"UPDATE assignments SET done = {ASSIGNMENT_DONE}",
    f"UPDATE ranking_tasks SET judged = ({RANKING_COUNT.format(source='person')}),"
    f" simulated = ({RANKING_COUNT.format(source='simulated')})",
    "DELETE FROM disputes",
    DISPUTED.format(pairs="1"),
)
"""The rebuild. It names tables without a database, so temporary tables of the same names can receive the rows."""
REBUILT = ("queue", "tallies", "comparison_counts", "disputes", "assignments", "ranking_tasks")


def rebuild(store: Store) -> dict[str, int]:
    """Compute the derived tables again, in one transaction, and return the number of rows of each.

    Derived are `queue`, `tallies`, `comparison_counts`, `disputes`, the column `assignments.done` and the counters
    of `ranking_tasks`.
    """
    with store.transaction():
        for statement in STATEMENTS:
            store.execute(statement)
        return {table: store.value(f"SELECT count(*) FROM {table}") for table in REBUILT}
