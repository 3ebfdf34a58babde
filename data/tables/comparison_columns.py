# SPDX-License-Identifier: Apache-2.0
"""Comparisons as columns of numbers, for statistics: a million rows in seconds, new ones at once.

A ranking orders every two of its answers, so it yields one row per two answers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from data.sqlite.sql import Sql
from data.sqlite.table import Table
from data.tables.retractions import not_retracted
from data.tables.verdicts import RANKING_MARGIN, SOURCES

ORDERED, BOTH_BAD, WITHDRAWN = 0, 1, 2
"""Kinds of verdict: an order of the two answers (ties included), both bad, or withdrawn."""
NORMAL, GOLD, REPEAT = 0, 1, 2
"""Kinds of item: see `data.tables.assignments`."""

ROW = np.dtype(
    [
        ("rowid", "i8"),
        ("pair", "i8"),
        ("labeler", "i8"),
        ("grade", "i1"),  # 3 the pair's first answer is significantly better, 0 a tie, -3 the second
        ("kind", "i1"),
        ("left", "?"),  # whether the pair's first answer stood left
        ("source", "i1"),  # its place in SOURCES
        ("role", "i1"),
        ("project", "i4"),
        ("version", "i4"),  # of the guideline
        ("run", "i4"),  # that made the pair, its batch; 0 for none
        ("seconds", "f4"),  # at work on it, else from the showing to the answer; nan if neither was measured
        ("replaces", "i8"),  # rowid of the event that this one supersedes; 0 for none
    ]
)

PLACES = " ".join(f"WHEN '{name}' THEN {place}" for place, name in enumerate(SOURCES))
SOURCE = f"CASE {{table}}.source {PLACES} END"
READ = f"""
SELECT c.rowid, c.pair_id, c.labeler_id,
    CASE WHEN c.winner_id IS NULL THEN 0 WHEN c.winner_id = min(c.left_id, c.right_id) THEN c.margin ELSE -c.margin END,
    CASE c.verdict WHEN 'both_bad' THEN 1 WHEN 'withdrawn' THEN 2 ELSE 0 END,
    c.left_id < c.right_id, {SOURCE.format(table="c")},
    CASE WHEN a.gold THEN 1 WHEN a.repeats IS NOT NULL THEN 2 ELSE 0 END,
    c.project_id, c.guideline_version, coalesce(p.run_id, 0), coalesce(t.seconds, c.seconds, 'nan'), coalesce(old.rowid, 0)
FROM comparisons AS c JOIN pairs AS p ON p.id = c.pair_id
LEFT JOIN assignments AS a ON a.id = c.assignment_id LEFT JOIN comparisons AS old ON old.id = c.supersedes
LEFT JOIN attention AS t ON t.event_id = c.id
WHERE c.rowid > ? AND (c.import_id IS NULL OR c.import_id NOT IN (SELECT id FROM imports WHERE done_at IS NULL))
    AND {not_retracted("comparison", "c.id")} ORDER BY c.rowid
"""

OF_TASK = 64
"""A task of at most nine answers has at most 36 pairs of them.

They are numbered from -OF_TASK times its id downwards.
"""
RANKED = f"""
SELECT -row_number() OVER (), -{OF_TASK} * r.task_id - dense_rank() OVER (PARTITION BY r.task_id ORDER BY min(r.a_id, r.b_id), max(r.a_id, r.b_id)),
    r.labeler_id,
    CASE WHEN r.winner_id IS NULL THEN 0 WHEN r.winner_id = min(r.a_id, r.b_id) THEN {RANKING_MARGIN} ELSE -{RANKING_MARGIN} END, {ORDERED},
    r.a_id < r.b_id, {SOURCE.format(table="r")}, {NORMAL},
    r.project_id, r.guideline_version, coalesce(t.run_id, 0), 'nan', 0
FROM ranked_pairs AS r JOIN ranking_tasks AS t ON t.id = r.task_id
"""
RANKINGS = """
SELECT labeler_id, count(*) AS n FROM current_rankings WHERE source IN (SELECT value FROM json_each(?)) GROUP BY labeler_id
"""
MARK = """
SELECT (SELECT coalesce(max(rowid), 0) FROM comparisons) AS last, (SELECT coalesce(max(rowid), 0) FROM rankings) AS rankings,
    (SELECT count(*) FROM set_asides) AS asides, (SELECT count(*) || coalesce(max(created_at), '') FROM gold) AS gold,
    (SELECT coalesce(max(rowid), 0) FROM skips) AS skips, (SELECT count(*) FROM imports WHERE done_at IS NOT NULL) + (SELECT coalesce(max(id), 0) FROM retractions) AS imports,
    (SELECT count(*) FROM adjudications) AS decided, (SELECT count(*) FROM weightings) AS weightings
"""
KNOWN = """
SELECT g.pair_id, CASE WHEN g.winner_id IS NULL THEN 0 WHEN g.winner_id = p.first_id THEN 1 ELSE -1 END AS sign
FROM (SELECT pair_id, winner_id FROM current_adjudications UNION ALL SELECT pair_id, winner_id FROM gold) AS g JOIN pairs AS p ON p.id = g.pair_id
"""
SKIPS = """
SELECT a.labeler_id, count(*) AS n FROM skips CROSS JOIN assignments AS a ON a.id = skips.assignment_id JOIN accounts AS l ON l.id = a.labeler_id
WHERE +l.simulated IN (SELECT value FROM json_each(:simulated)) GROUP BY a.labeler_id
"""


class ComparisonColumns(Table):
    """Reads events as arrays; callers select the current ones with `current_mask`."""

    def __init__(self, store: Sql) -> None:
        super().__init__(store)
        self._lock = threading.Lock()
        self._known: tuple[int, np.ndarray] = (-1, np.zeros(0, ROW))

    def cached(self) -> np.ndarray:
        """Return `comparisons()` from a cache that reads only new events. Thread-safe; do not write into the array.

        An import's events are written before they count, and later retracted, so everything is read again after both. Reads inside a
        transaction are not cached, since it may be rolled back.
        """
        if self._store.db.conn.in_transaction:
            return self.comparisons()
        with self._lock:
            (before, events), imports = self._known, self.change_counters()["imports"]
            last = int(events["rowid"][-1]) if len(events) and before == imports else 0
            new = self.comparisons(last)
            events = np.concatenate([events, new]) if last else new
            self._known = imports, events
            return events

    def comparisons(self, after: int = 0) -> np.ndarray:
        """Return every event after this rowid, superseded and withdrawn ones included, as an array of `ROW`."""
        return np.fromiter(self._store.db.conn.execute(READ, [after]), dtype=ROW)

    def rankings(self) -> np.ndarray:
        """Return every two answers of every current ranking, like a comparison, as an array of `ROW`.

        Two answers of a task have the same negative pair number for all labelers (see `unit_ids`). Rowids are
        negative too.
        """
        return np.fromiter(self._store.db.conn.execute(RANKED), dtype=ROW)

    def ranking_counts(self, sources: Sequence[str]) -> dict[int, int]:
        """Count the current rankings of each labeler, of these sources."""
        return {row["labeler_id"]: row["n"] for row in self._store.rows(RANKINGS, [json.dumps(sources)])}

    def change_counters(self) -> dict[str, Any]:
        """Return counters that change whenever these columns or figures on them change.

        If `imports` changes, there are new events before the `last` one, or retracted ones.
        """
        return self._store.one(MARK)

    def known_signs(self) -> dict[int, int]:
        """Return the known order of pairs, from gold items and adjudications.

        1: the first answer is better, 0: neither, -1: the second.
        """
        return {row["pair_id"]: row["sign"] for row in self._store.rows(KNOWN)}

    def skip_counts(self, sources: Sequence[str]) -> dict[int, int]:
        """Count the items that each labeler of the sources skipped. AI labelers come with files and skip nothing."""
        simulated = [int(source == "simulated") for source in sources if source != "ai"]
        rows = self._store.rows(SKIPS, {"simulated": json.dumps(simulated)})
        return {row["labeler_id"]: row["n"] for row in rows}


def unit_ids(pair: np.ndarray) -> np.ndarray:
    """Return the unit of each judgement: the pair of a comparison, or minus the task number of a ranking."""
    return np.where(pair < 0, -(-pair // OF_TASK), pair)


def current_mask(events: np.ndarray) -> np.ndarray:
    """Return a mask of the current events: neither superseded by one of these nor withdrawals."""
    return (events["kind"] != WITHDRAWN) & ~np.isin(events["rowid"], events["replaces"][events["replaces"] > 0])
