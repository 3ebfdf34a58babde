# SPDX-License-Identifier: Apache-2.0
"""Pairs of completions of one prompt, for comparison. Pairs of equal texts are stored but never shown.

Nor are pairs with a retracted completion until it is taken back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from data.clock import now
from data.errors import BadInput
from data.records import Pair
from data.sqlite.schema.projects import STANDARD_PROJECT
from data.sqlite.table import Table
from data.tables.retractions import not_retracted

INSERT = f"""
INSERT INTO pairs (prompt_id, first_id, second_id, purpose, shown, priority, run_id, created_at, import_id, project_id)
SELECT ?1, a.id, b.id, ?4, ?4 != 'import' AND ?8 IS NULL AND a.text != b.text
    AND {not_retracted("completion", "a.id")} AND {not_retracted("completion", "b.id")}, ?5, ?6, ?7, ?8, ?9
FROM completions AS a, completions AS b
WHERE a.id = ?2 AND b.id = ?3 AND a.id != b.id AND a.prompt_id = ?1 AND b.prompt_id = ?1
ON CONFLICT DO NOTHING
"""
UNJUDGED = "judged = 0 AND simulated = 0"
BETWEEN = f"""
SELECT count(*) FROM queue JOIN pairs ON pairs.id = queue.pair_id AND pairs.purpose = 'compare'
JOIN completions AS a ON a.id = pairs.first_id JOIN completions AS b ON b.id = pairs.second_id
WHERE {UNJUDGED} AND a.policy_id != b.policy_id AND a.policy_id IN (SELECT value FROM json_each(:policies))
AND b.policy_id IN (SELECT value FROM json_each(:policies))
"""


class Pairs(Table):
    """Pairs of completions for comparison."""

    def add(
        self,
        prompt_id: int,
        a_id: str,
        b_id: str,
        *,
        purpose: str = "train",
        priority: int = 0,
        run_id: int | None = None,
        project_id: int = STANDARD_PROJECT[0],
    ) -> Pair:
        """Pair two completions of a prompt, or return their pair; the higher `priority` is shown first.

        `purpose`: 'train', 'compare' (of policies, on test prompts), or 'import' (comes with its comparison, is not
        shown). Equal texts are not shown. A pair that is there keeps its project. Raises BadInput if the two are
        not both of that prompt, or are one.
        """
        (id,) = self.add_many(
            [(prompt_id, a_id, b_id)], purpose=purpose, priority=priority, run_id=run_id, project_id=project_id
        )
        return self.get(id)

    def add_many(
        self,
        pairs: Iterable[tuple[int, str, str]],
        *,
        purpose: str = "train",
        priority: int = 0,
        run_id: int | None = None,
        import_id: int | None = None,
        project_id: int = STANDARD_PROJECT[0],
    ) -> list[int]:
        """Add many (prompt_id, a_id, b_id) in one commit; return the pairs' ids in the same order.

        Pairs of an import (`import_id`) are shown once it is done (`Imports.reveal`).
        """
        moment = now()
        ordered = [(prompt_id, min(a_id, b_id), max(a_id, b_id)) for prompt_id, a_id, b_id in pairs]
        with self._store.transaction() as database:
            database.conn.executemany(
                INSERT, [(*pair, purpose, priority, run_id, moment, import_id, project_id) for pair in ordered]
            )
            return [self._id(*pair) for pair in ordered]

    def get(self, id: int) -> Pair:
        """Return the pair. Raises BadInput if there is none."""
        row = self._store.maybe("SELECT * FROM pairs WHERE id = ?", [id])
        if row is None:
            raise BadInput.of("error.no_pair", id=id)
        return _pair(row)

    def all(self, purpose: str | None = None) -> list[Pair]:
        """Return the pairs, all or of one purpose, oldest first."""
        sql = "SELECT * FROM pairs WHERE ?1 IS NULL OR purpose = ?1 ORDER BY id"
        return [_pair(row) for row in self._store.rows(sql, [purpose])]

    def count(self) -> int:
        """Count all pairs, shown or not."""
        return self._store.value("SELECT count(*) FROM pairs")

    def waiting_count(self) -> int:
        """Count the visible pairs that nobody judged, simulated labelers included."""
        return self._store.value(f"SELECT count(*) FROM queue WHERE {UNJUDGED}")

    def waiting_between(self, policy_id: int, against_id: int) -> int:
        """Count the visible pairs with an answer of each of two policies that nobody judged."""
        return self._store.value(BETWEEN, {"policies": f"[{policy_id}, {against_id}]"})

    def _id(self, prompt_id: int, first_id: str, second_id: str) -> int:
        sql = "SELECT id FROM pairs WHERE first_id = ? AND second_id = ? AND prompt_id = ?"
        id = self._store.value(sql, [first_id, second_id, prompt_id])
        if id is None:
            raise BadInput(f"{first_id!r} and {second_id!r} are not two completions of prompt {prompt_id}")
        return id


def _pair(row: Mapping[str, Any]) -> Pair:
    fields = {name: row[name] for name in Pair.__dataclass_fields__}
    return Pair(**{**fields, "shown": bool(row["shown"])})
