# SPDX-License-Identifier: Apache-2.0
"""Rebuilding of the derived tables of labeling from the events; triggers update them as events come in.

The retracted rows come first and the counters last, since a retracted row counts nowhere.
"""

from __future__ import annotations

from data.sqlite.schema.projects import PAIR_QUEUED
from data.sqlite.schema.quality import DISPUTED
from data.sqlite.schema.retractions import COUNTED
from data.store import Store
from data.tables.retractions import not_retracted

RANKING_COUNT = (
    "SELECT count(*) FROM current_rankings AS r WHERE r.task_id = ranking_tasks.id AND r.source = '{source}'"
)
ASSIGNMENT_DONE = """EXISTS (SELECT 1 FROM current_comparisons AS c WHERE c.pair_id = assignments.pair_id AND c.assignment_id = assignments.id)
    OR EXISTS (SELECT 1 FROM current_rankings AS r WHERE r.task_id = assignments.task_id AND r.assignment_id = assignments.id)
    OR EXISTS (SELECT 1 FROM skips AS s WHERE s.assignment_id = assignments.id)"""
TALLIES = """INSERT INTO tallies (labeler_id, project_id, answers) SELECT labeler_id, project_id, count(*) FROM
    (SELECT labeler_id, project_id FROM current_comparisons UNION ALL SELECT labeler_id, project_id FROM current_rankings) GROUP BY 1, 2"""
RETRACTED = """SELECT kind, row_id FROM (SELECT kind, row_id, retracted, max(id) FROM retractions GROUP BY kind, row_id)
    WHERE retracted"""
PAIR_SHOWN = f"""purpose != 'import'
    AND (SELECT text FROM completions WHERE id = first_id) != (SELECT text FROM completions WHERE id = second_id)
    AND {not_retracted("completion", "first_id")} AND {not_retracted("completion", "second_id")}
    AND NOT EXISTS (SELECT 1 FROM online_pairs AS o WHERE o.pair_id = pairs.id AND o.outdated)"""
TASK_SHOWN = f"""purpose != 'import' AND NOT EXISTS (SELECT 1 FROM ranking_answers AS o
    WHERE o.task_id = ranking_tasks.id AND NOT {not_retracted("completion", "o.completion_id")})
    AND NOT EXISTS (SELECT 1 FROM online_rankings AS w WHERE w.task_id = ranking_tasks.id AND w.outdated)"""
SHOW = "UPDATE {table} SET shown = NOT shown WHERE shown != ({shown})"
REVEALED = "(import_id IS NULL OR import_id IN (SELECT id FROM imports WHERE revealed_at IS NOT NULL))"
"""The pairs of other imports enter the queue when their import ends."""
STATEMENTS = (
    f"DELETE FROM retracted WHERE (kind, row_id) NOT IN ({RETRACTED})",
    f"INSERT INTO retracted (kind, row_id) {RETRACTED} EXCEPT SELECT kind, row_id FROM retracted",
    f"{SHOW.format(table='pairs', shown=PAIR_SHOWN)} AND {REVEALED}",
    SHOW.format(table="ranking_tasks", shown=TASK_SHOWN),
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
REBUILT = ("retracted", "pairs", "queue", "tallies", "comparison_counts", "disputes", "assignments", "ranking_tasks")


def rebuild(store: Store) -> dict[str, int]:
    """Compute the derived tables again, in one transaction, and return the number of rows of each.

    Derived are `retracted`, `queue`, `tallies`, `comparison_counts`, `disputes`, the columns `pairs.shown`,
    `ranking_tasks.shown` and `assignments.done`, and the counters of `ranking_tasks`.
    """
    with store.transaction():
        for statement in STATEMENTS:
            store.execute(statement)
        return {table: store.value(f"SELECT count(*) FROM {table}") for table in REBUILT}
