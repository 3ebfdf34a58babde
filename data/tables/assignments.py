# SPDX-License-Identifier: Apache-2.0
"""Assignments: an item that a labeler holds, its display, and the end of its lease. Also the drafts of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data.clock import now
from data.errors import BadInput
from data.ids import canonical_json
from data.sqlite.table import Table

DRAFT_FIELDS = {"rationale": str, "edit": str, "edited": str, "verdict": str, "aspects": dict, "places": list}


@dataclass(frozen=True, slots=True)
class Assignment:
    """A pair (`left_id`, `right_id`) or a ranking (`task_id`) that a labeler holds.

    `positions`: completions as first shown.

    `gold`: its verdict was known when it was handed out. `repeats`: the assignment that this one repeats, sides
    swapped. `done`: answered or skipped. `guideline_version`: the one shown last.
    """

    id: str
    pair_id: int | None
    task_id: int | None
    labeler_id: int
    project_id: int
    guideline_version: int
    left_id: str | None
    right_id: str | None
    positions: tuple[str, ...] | None
    gold: bool
    repeats: str | None
    done: bool
    shown_at: str
    expires_at: str
    created_at: str

    @property
    def kind(self) -> str:
        """Return 'gold', 'repeat' or 'normal'."""
        return "gold" if self.gold else "repeat" if self.repeats else "normal"


class Assignments(Table):
    """Assignments and their leases."""

    def get(self, id: str) -> Assignment:
        """Return the assignment. Raises BadInput if there is none."""
        row = self._store.maybe("SELECT * FROM assignments WHERE id = ?", [id])
        if row is None:
            raise BadInput.of("error.no_assignment", id=id)
        return assignment_from_row(row)

    def all(self, *, labeler_id: int | None = None, project_id: int | None = None) -> list[Assignment]:
        """Return the assignments of a labeler, of a project, or all, oldest first."""
        sql = "SELECT * FROM assignments WHERE (?1 IS NULL OR labeler_id = ?1) AND (?2 IS NULL OR project_id = ?2) ORDER BY created_at, id"
        return [assignment_from_row(row) for row in self._store.rows(sql, [labeler_id, project_id])]

    def flags(self, project_id: int, limit: int) -> list[dict[str, Any]]:
        """Return {assignment, reason, labeler, prompt, created_at} of a project's flagged items, newest first."""
        return self._store.rows(FLAGS, [project_id, limit])


FLAGS = """
SELECT s.assignment_id AS assignment, s.reason, l.name AS labeler, coalesce(p.text, r.text) AS prompt, s.created_at
FROM skips AS s JOIN assignments AS a ON a.id = s.assignment_id JOIN accounts AS l ON l.id = a.labeler_id
LEFT JOIN pairs ON pairs.id = a.pair_id LEFT JOIN prompts AS p ON p.id = pairs.prompt_id
LEFT JOIN ranking_tasks AS t ON t.id = a.task_id LEFT JOIN prompts AS r ON r.id = t.prompt_id
WHERE s.kind = 'flag' AND a.project_id = ? ORDER BY s.rowid DESC LIMIT ?
"""


class Drafts(Table):
    """Drafts: the unsent answer to an assignment; it ends with the answer."""

    def save(self, assignment_id: str, content: Mapping[str, Any]) -> None:
        """Store the draft and replace the former one; an empty draft deletes it.

        Raises BadInput for a field that no draft has.
        """
        for name, value in content.items():
            if name not in DRAFT_FIELDS or not isinstance(value, DRAFT_FIELDS[name]):
                raise BadInput(
                    f"a draft has no {name!r} like {value!r:.60}", f"Take {', '.join(DRAFT_FIELDS)}.", field=name
                )
        if not any(content.values()):
            return self.delete(assignment_id)
        sql = "INSERT INTO drafts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET content = excluded.content, saved_at = excluded.saved_at"
        self._store.execute(sql, [assignment_id, canonical_json(dict(content)), now()])
        return None

    def get(self, assignment_id: str) -> dict[str, Any]:
        """Return the draft, empty if there is none."""
        text = self._store.value("SELECT content FROM drafts WHERE assignment_id = ?", [assignment_id])
        return json.loads(text) if text else {}

    def delete(self, assignment_id: str) -> None:
        """Delete the draft."""
        self._store.execute("DELETE FROM drafts WHERE assignment_id = ?", [assignment_id])


def assignment_from_row(row: Mapping[str, Any]) -> Assignment:
    """Return the record of a row of the table."""
    positions = row["positions"] and tuple(json.loads(row["positions"]))
    fields = {name: row[name] for name in Assignment.__dataclass_fields__}
    return Assignment(**{**fields, "positions": positions, "gold": bool(row["gold"]), "done": bool(row["done"])})
