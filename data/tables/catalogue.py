# SPDX-License-Identifier: Apache-2.0
"""The catalogue: prompts and instruction rows, counted by source and split, and listed page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from data.sqlite.table import Table
from data.tables.imports import import_done
from data.tables.retractions import not_retracted

Kind = Literal["prompts", "instructions"]
FROM = {
    "prompts": "FROM prompts AS p",
    "instructions": "FROM instructions AS i JOIN prompts AS p ON p.id = i.prompt_id",
}
OWN = {"prompts": "p", "instructions": "i"}
IN_USE = {
    "prompts": import_done("p"),
    "instructions": f"{import_done('i')} AND {not_retracted('instruction', 'i.id')}",
}
TEXTS = {
    "prompts": "p.text AS task, '' AS answer, coalesce(p.family, '') AS family",
    "instructions": "CASE WHEN i.input = '' THEN i.instruction ELSE i.instruction || char(10, 10) || i.input END AS task, i.output AS answer,"
    " coalesce(p.family, '') AS family",
}
SEARCHED = {
    "prompts": "instr(lower(p.text), :find)",
    "instructions": "(instr(lower(p.text), :find) OR instr(lower(i.output), :find))",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A row as text: the task, its answer (empty for a prompt), its source and split."""

    id: int
    task: str
    answer: str
    family: str
    source: str
    split: str
    created_at: str


class Catalogue(Table):
    """Reads across prompts and instruction rows; changes nothing."""

    def counts(self, kind: Kind) -> list[dict[str, Any]]:
        """Return [{source, train, validation, test, n}], the largest source first."""
        own = OWN[kind]
        splits = ", ".join(f"sum(p.split = '{split}') AS {split}" for split in ("train", "validation", "test"))
        sql = f"SELECT {own}.source, {splits}, count(*) AS n {FROM[kind]} WHERE {IN_USE[kind]} GROUP BY {own}.source ORDER BY n DESC, {own}.source"
        return self._store.rows(sql)

    def page(
        self, kind: Kind, *, source: str = "", split: str = "", find: str = "", before: int = 0, limit: int = 20
    ) -> list[Entry]:
        """Return rows, newest first, with an id below `before`; an empty argument is no condition.

        `find` is a part of a text.
        """
        own = OWN[kind]
        where = {
            "source": f"{own}.source = :source",
            "split": "p.split = :split",
            "find": SEARCHED[kind],
            "before": f"{own}.id < :before",
        }
        given = {"source": source, "split": split, "find": find.strip().lower(), "before": before}
        conditions = "".join(f" AND {where[name]}" for name, value in given.items() if value)
        columns = f"{own}.id, {TEXTS[kind]}, {own}.source, p.split, {own}.created_at"
        sql = f"SELECT {columns} {FROM[kind]} WHERE {IN_USE[kind]}{conditions} ORDER BY {own}.id DESC LIMIT :limit"
        return [Entry(**row) for row in self._store.rows(sql, given | {"limit": limit})]
