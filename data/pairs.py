"""Pairs of completions of one prompt, waiting to be compared. Two equal texts are a pair that nobody is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.clock import now
from data.errors import BadInput
from data.noun import Noun
from data.records import Pair


class Pairs(Noun):
    """What people are asked to compare."""

    def add(
        self,
        prompt_id: int,
        a_id: str,
        b_id: str,
        *,
        purpose: str = "train",
        priority: int = 0,
        run_id: int | None = None,
    ) -> Pair:
        """Pair two completions of a prompt, or find their pair; the higher `priority` is shown first.

        `purpose`: 'train', 'compare' (of policies, on test prompts), or 'import' (comes with its comparison, is not
        shown). Equal texts are not shown. Raises BadInput where the two are not both of that prompt, or are one.
        """
        first, second = sorted((a_id, b_id))
        with self._store.transaction():
            texts = self._texts(prompt_id, first, second)
            shown = purpose != "import" and texts[0] != texts[1]
            row = {"prompt_id": prompt_id, "first_id": first, "second_id": second, "purpose": purpose}
            row |= {"shown": int(shown), "priority": priority, "run_id": run_id, "created_at": now()}
            self._store.insert("pairs", row, ignore=True)
            return _pair(self._store.row("SELECT * FROM pairs WHERE first_id = ? AND second_id = ?", [first, second]))

    def get(self, id: int) -> Pair:
        """The pair. Raises BadInput where there is none."""
        row = self._store.row("SELECT * FROM pairs WHERE id = ?", [id])
        if row is None:
            raise BadInput(f"there is no pair {id}")
        return _pair(row)

    def list(self, purpose: str | None = None) -> list[Pair]:
        """Pairs in the order in which they came, all or of one purpose."""
        sql = "SELECT * FROM pairs WHERE ?1 IS NULL OR purpose = ?1 ORDER BY id"
        return [_pair(row) for row in self._store.rows(sql, [purpose])]

    def count(self) -> int:
        """How many there are, shown or not."""
        return self._store.value("SELECT count(*) FROM pairs")

    def waiting_count(self, purpose: str | None = None) -> int:
        """How many are to be shown and have no current comparison yet; of one purpose where it is given."""
        return self._store.value(
            "SELECT count(*) FROM pairs WHERE shown AND (?1 IS NULL OR purpose = ?1)"
            " AND id NOT IN (SELECT pair_id FROM current_comparisons)",
            [purpose],
        )

    def _texts(self, prompt_id: int, first: str, second: str) -> tuple[str, str]:
        if first == second:
            raise BadInput(f"the completion {first!r} cannot be paired with itself")
        sql = "SELECT id, text FROM completions WHERE prompt_id = ? AND id IN (?, ?)"
        found = {row["id"]: row["text"] for row in self._store.rows(sql, [prompt_id, first, second])}
        for id in (first, second):
            if id not in found:
                raise BadInput(f"{id!r} is not a completion of prompt {prompt_id}")
        return found[first], found[second]


def _pair(row: Mapping[str, Any]) -> Pair:
    kept = {name: row[name] for name in Pair.__dataclass_fields__}
    return Pair(**{**kept, "shown": bool(row["shown"])})
