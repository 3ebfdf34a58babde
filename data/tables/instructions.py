# SPDX-License-Identifier: Apache-2.0
"""Instruction rows: a task with an answer to imitate. Each belongs to the prompt its instruction and input make."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from data.clock import now
from data.errors import BadInput
from data.ids import canonical_json, content_hash
from data.records import Instruction
from data.sqlite.table import Table
from data.tables.imports import IMPORT_DONE, import_done
from data.tables.prompts import COLUMNS as PROMPT_COLUMNS
from data.tables.prompts import prompt_row
from data.tables.retractions import not_retracted

INSERT = (
    "INSERT INTO instructions (hash, prompt_id, instruction, input, output, source, defects, created_at, import_id)"
    " SELECT ?2, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM prompts WHERE hash = ?1 ON CONFLICT DO NOTHING"
)
Prepared = tuple[list[tuple], list[tuple]]
"""Values of prompts, and of the instruction rows on them."""
JOINED = "SELECT instructions.*, prompts.split FROM instructions JOIN prompts ON prompts.id = instructions.prompt_id"


def instruction_prompt(instruction: str, input: str = "") -> str:
    """Return the prompt's text: the instruction, and below it the input if there is one."""
    return f"{instruction}\n\n{input}" if input else instruction


class Instructions(Table):
    """Answers to imitate, for supervised fine-tuning."""

    def add(self, instruction: str, output: str, *, input: str = "", source: str, **about: Any) -> Instruction:  # noqa: ANN401 (the values of columns and fields have many types)
        """Add a row, or return the existing one.

        `about`: `defects` (names), and its prompt's `messages`, `family` and `facts`.
        """
        self.add_many([{"instruction": instruction, "output": output, "input": input, "source": source, **about}])
        hash = instruction_hash(instruction, input, output, about.get("messages"))
        row = self._store.one(f"{JOINED} WHERE instructions.hash = ?", [hash])
        return _instruction(row)

    def add_many(self, rows: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
        """Add rows with the keys of `add` and their prompts in one commit -> (added, duplicate).

        Nothing is written before every row is found good; a BadInput leaves the store as it was.
        """
        return self.write(self.prepare(rows))

    def prepare(self, rows: Iterable[Mapping[str, Any]]) -> Prepared:
        """Return rows with the keys of `add` ready for `write`. Needs no lock.

        Raises BadInput for a bad row.
        """
        rows = list(rows)
        prompts = [_prompt_row(**row) for row in rows]
        return prompts, [_values(prompt[0], **row) for prompt, row in zip(prompts, rows, strict=True)]

    def write(self, prepared: Prepared, import_id: int | None = None) -> tuple[int, int]:
        """Add prepared rows in one commit -> (added, duplicate). Those of an import count once it is done."""
        prompts, values = prepared
        with self._store.transaction() as database:
            self._store.insert_many("prompts", (*PROMPT_COLUMNS, "import_id"), [(*row, import_id) for row in prompts])
            added = max(database.conn.executemany(INSERT, [(*row, import_id) for row in values]).rowcount, 0)
        return added, len(values) - added

    def get(self, id: int) -> Instruction:
        """Return the row. Raises BadInput if there is none."""
        row = self._store.maybe(f"{JOINED} WHERE instructions.id = ?", [id])
        if row is None:
            raise BadInput.of("error.no_instruction", id=id)
        return _instruction(row)

    def all(
        self, split: str | None = None, source: str | None = None, limit: int | None = None, last: int = 0
    ) -> list[Instruction]:
        """Return the rows of a split or source, or all, oldest first, up to the number `last` if it is not 0.

        Retracted rows are left out.
        """
        return list(self.stream(split, source, limit, last))

    def of_ids(self, ids: Sequence[int]) -> dict[int, Instruction]:
        """Return the rows with these ids, retracted ones included."""
        sql = f"{JOINED} WHERE instructions.id IN (SELECT value FROM json_each(?))"
        return {row["id"]: _instruction(row) for row in self._store.rows(sql, [canonical_json(list(ids))])}

    def stream(
        self, split: str | None = None, source: str | None = None, limit: int | None = None, last: int = 0
    ) -> Iterator[Instruction]:
        """Yield the rows of `all` one at a time."""
        wanted = {"split": split, "source": source, "last": last, "limit": -1 if limit is None else limit}
        sql = (
            f"{JOINED} WHERE {import_done('instructions')} AND {not_retracted('instruction', 'instructions.id')} AND (:split IS NULL OR prompts.split = :split)"
            " AND (:source IS NULL OR instructions.source = :source) AND (:last = 0 OR instructions.id <= :last) ORDER BY instructions.id LIMIT :limit"
        )
        return map(_instruction, self._store.stream(sql, wanted))

    def last_id(self) -> int:
        """Return the number of the newest row; 0 without one."""
        return self._store.value(f"SELECT coalesce(max(id), 0) FROM instructions WHERE {IMPORT_DONE}")

    def count(self) -> int:
        """Count the instruction rows that are not retracted."""
        in_use = not_retracted("instruction", "instructions.id")
        return self._store.value(f"SELECT count(*) FROM instructions WHERE {IMPORT_DONE} AND {in_use}")


def instruction_hash(
    instruction: str, input: str, output: str, messages: Sequence[Mapping[str, str]] | None = None
) -> str:
    """Return a row's identity: the hash of its three texts, and of its turns if the prompt is a conversation."""
    return content_hash("instruction", instruction, input, output, *([] if messages is None else [list(messages)]))


def _prompt_row(
    instruction: str,
    output: str,
    *,
    source: str,
    input: str = "",
    defects: Sequence[str] = (),
    messages: list[dict] | None = None,
    family: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> tuple:
    if not output.strip():
        raise BadInput.of("error.instruction_output", field="output", instruction=instruction[:60])
    text = instruction_prompt(instruction, input)
    return prompt_row(text, messages=messages, source=source, family=family, facts=facts)


def _values(prompt_hash: str, *, instruction: str, output: str, source: str, input: str = "", **about: Any) -> tuple:  # noqa: ANN401 (the values of columns and fields have many types)
    defects = canonical_json(list(about.get("defects", ())))
    return (
        prompt_hash,
        instruction_hash(instruction, input, output, about.get("messages")),
        instruction,
        input,
        output,
        source,
        defects,
        now(),
    )


def _instruction(row: Mapping[str, Any]) -> Instruction:
    fields = {name: row[name] for name in ("id", "prompt_id", "instruction", "input", "output", "source", "split")}
    return Instruction(**fields, defects=json.loads(row["defects"]))
