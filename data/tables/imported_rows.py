# SPDX-License-Identifier: Apache-2.0
"""Imported rows as people read them, retracted ones included: a prompt with its answers, page by page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from data.sqlite.table import Table
from data.tables.imports import import_done
from data.tables.retractions import CURRENT, Kind, not_retracted

MOST_COUNTED = 10_000
"""Rows up to which a search counts exactly."""
State = Literal["", "used", "retracted"]
"""Rows in use, retracted rows, or all."""

MARK = "CASE WHEN o.verdict = 'both_bad' THEN 'bad' WHEN o.winner_id IS NULL THEN 'tie' ELSE '{}' END"
SIDES = f"json_array(json_array({MARK.format('better')}, {{}}), json_array({MARK.format('worse')}, {{}}))"
PLACED = """SELECT pl.place, a.text FROM ranking_places AS pl JOIN completions AS a ON a.id = pl.completion_id
    WHERE pl.ranking_id = o.id"""


@dataclass(frozen=True, slots=True)
class RowQuery:
    """The tables of one kind of row: `o` is the row itself, `p` its prompt."""

    source: str
    answers: str
    about: str
    searched: str
    extra: str = "1"


QUERIES: dict[Kind, RowQuery] = {
    "comparison": RowQuery(
        "comparisons AS o JOIN pairs ON pairs.id = o.pair_id JOIN prompts AS p ON p.id = pairs.prompt_id"
        " JOIN completions AS l ON l.id = o.left_id JOIN completions AS r ON r.id = o.right_id"
        " JOIN accounts AS who ON who.id = o.labeler_id",
        f"CASE WHEN o.winner_id = o.right_id THEN {SIDES.format('r.text', 'l.text')}"
        f" ELSE {SIDES.format('l.text', 'r.text')} END",
        "who.name",
        "l.text LIKE :find ESCAPE '!' OR r.text LIKE :find ESCAPE '!'",
        CURRENT.format("o", "comparisons"),
    ),
    "ranking": RowQuery(
        "rankings AS o JOIN ranking_tasks AS t ON t.id = o.task_id JOIN prompts AS p ON p.id = t.prompt_id"
        " JOIN accounts AS who ON who.id = o.labeler_id",
        f"(SELECT json_group_array(json_array(CAST(place AS TEXT), text)) FROM ({PLACED} ORDER BY pl.place))",
        "who.name",
        f"EXISTS ({PLACED} AND a.text LIKE :find ESCAPE '!')",
        CURRENT.format("o", "rankings"),
    ),
    "instruction": RowQuery(
        "instructions AS o JOIN prompts AS p ON p.id = o.prompt_id",
        "json_array(json_array('answer', o.output))",
        "o.source",
        "o.output LIKE :find ESCAPE '!'",
    ),
    "completion": RowQuery(
        "completions AS o JOIN prompts AS p ON p.id = o.prompt_id",
        "json_array(json_array('answer', o.text))",
        "o.model_name",
        "o.text LIKE :find ESCAPE '!'",
    ),
}


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """A row of an import: its id, prompt and answers, each with its mark; `about`: its labeler, source or model.

    Marks are better, worse, tie, bad, answer, or a place in a ranking.
    """

    id: str
    import_id: int
    prompt: str
    answers: list[tuple[str, str]]
    about: str
    split: str
    created_at: str
    retracted: bool


@dataclass(frozen=True, slots=True)
class RowFilter:
    """The rows that are wanted; an empty field is no condition. `find` is a part of a prompt or of an answer."""

    kind: Kind
    import_id: int = 0
    state: State = ""
    find: str = ""

    @property
    def condition(self) -> str:
        """Return the condition of the query."""
        query, in_use = QUERIES[self.kind], not_retracted(self.kind, "o.id")
        conditions = ["o.import_id IS NOT NULL", import_done("o"), query.extra]
        conditions += ["o.import_id = :import"] if self.import_id else []
        conditions += [f"p.text LIKE :find ESCAPE '!' OR {query.searched}"] if self.find.strip() else []
        conditions += {"": [], "used": [in_use], "retracted": [f"NOT {in_use}"]}[self.state]
        return " AND ".join(f"({condition})" for condition in conditions)

    @property
    def values(self) -> dict[str, Any]:
        """Return the parameters of the condition."""
        escaped = "".join(f"!{letter}" if letter in "!%_" else letter for letter in self.find.strip())
        return {"import": self.import_id, "find": f"%{escaped}%"}


class ImportedRows(Table):
    """Lists and counts imported rows; changes nothing."""

    def count(self, wanted: RowFilter) -> int:
        """Count the rows, up to MOST_COUNTED + 1."""
        sql = f"SELECT 1 FROM {QUERIES[wanted.kind].source} WHERE {wanted.condition} LIMIT {MOST_COUNTED + 1}"
        return self._store.value(f"SELECT count(*) FROM ({sql})", wanted.values)

    def page(self, wanted: RowFilter, *, skip: int = 0, limit: int = 20) -> list[ImportedRow]:
        """Return rows, newest first, without the first `skip`."""
        query = QUERIES[wanted.kind]
        sql = f"""SELECT o.id, o.import_id, p.text AS prompt, {query.answers} AS answers, {query.about} AS about, p.split,
            o.created_at, NOT {not_retracted(wanted.kind, "o.id")} AS retracted
            FROM {query.source} WHERE {wanted.condition} ORDER BY o.rowid DESC LIMIT :limit OFFSET :skip"""
        return [_row(row) for row in self._store.rows(sql, wanted.values | {"limit": limit, "skip": skip})]


def _row(row: Mapping[str, Any]) -> ImportedRow:
    answers = [(mark, text) for mark, text in json.loads(row["answers"])]
    return ImportedRow(**{**row, "id": str(row["id"]), "answers": answers, "retracted": bool(row["retracted"])})
