# SPDX-License-Identifier: Apache-2.0
"""Prompts: identity is exact, so importing a file twice adds nothing and no prompt takes another one's answers.

Two texts are one prompt if they are equal byte for byte, two conversations if their turns are. The split follows the
normalised text (`data.splits`), so prompts that differ in case or spaces only are always in one split.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from data.clock import now
from data.errors import BadInput
from data.ids import canonical_json, content_hash
from data.records import Prompt
from data.splits import split_of
from data.sqlite.table import Table
from data.tables.imports import IMPORT_DONE
from data.turns import Turn, turn_text

COLUMNS = ("hash", "text", "messages", "split", "source", "family", "facts", "created_at")


def conversation_text(messages: Sequence[Turn]) -> str:
    """Return what a person reads of a conversation.

    A single user turn as it is, otherwise the turns in order with their roles.
    """
    if len(messages) == 1 and messages[0]["role"] == "user":
        return messages[0]["content"]
    return "\n\n".join(f"{turn['role']}: {turn_text(turn)}" for turn in messages)


def prompt_hash(text: str, messages: Sequence[Turn] | None = None) -> str:
    """Return a prompt's identity: the hash of its text, or of its turns if it is a conversation."""
    return content_hash("prompt", text if messages is None else list(messages))


def prompt_row(
    text: str,
    *,
    source: str,
    messages: list[dict] | None = None,
    family: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> tuple:
    """Return the values of COLUMNS for one prompt. Raises BadInput for an empty text."""
    if not text.strip():
        raise BadInput.of("error.prompt_empty", field="prompt", text=text)
    return (
        prompt_hash(text, messages),
        text,
        None if messages is None else canonical_json(messages),
        split_of(text),
        source,
        family,
        None if facts is None else canonical_json(facts),
        now(),
    )


class Prompts(Table):
    """The tasks that models are asked to do."""

    def add(self, text: str, *, messages: list[dict] | None = None, source: str, **about: Any) -> Prompt:  # noqa: ANN401 (the values of columns and fields have many types)
        """Add a prompt, or find the equal one; `about`: `family`, `facts`. Raises BadInput for an empty text."""
        row = prompt_row(text, messages=messages, source=source, **about)
        self._store.insert_many("prompts", COLUMNS, [row])
        return _prompt(self._store.one("SELECT * FROM prompts WHERE hash = ?", [row[0]]))

    def add_many(self, rows: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
        """Add prompts in one commit -> (added, duplicate).

        A row has `text`, `source`, and optionally `messages`, `family` and `facts`.

        Nothing is written before every row is found good; a BadInput leaves the store as it was.
        """
        prepared = [prompt_row(**row) for row in rows]
        added = self._store.insert_many("prompts", COLUMNS, prepared)
        return added, len(prepared) - added

    def get(self, id: int) -> Prompt:
        """Return the prompt. Raises BadInput if there is none."""
        row = self._store.maybe("SELECT * FROM prompts WHERE id = ?", [id])
        if row is None:
            raise BadInput.of("error.no_prompt", id=id)
        return _prompt(row)

    def find(self, text: str, messages: list[dict] | None = None) -> Prompt | None:
        """Return the prompt of exactly that text, or of those turns; None if there is none."""
        row = self._store.maybe("SELECT * FROM prompts WHERE hash = ?", [prompt_hash(text, messages)])
        return None if row is None else _prompt(row)

    def all(
        self,
        split: str | None = None,
        source: str | None = None,
        limit: int | None = None,
        family: str | None = None,
        last: int = 0,
    ) -> list[Prompt]:
        """Return the prompts that match what is given, oldest first, up to the number `last` if it is not 0."""
        return list(self.stream(split, source, limit, family, last))

    def stream(
        self,
        split: str | None = None,
        source: str | None = None,
        limit: int | None = None,
        family: str | None = None,
        last: int = 0,
    ) -> Iterator[Prompt]:
        """Yield the prompts of `all` one at a time."""
        wanted = {"split": split, "source": source, "family": family}
        where = "".join(f" AND {name} = :{name}" for name, value in wanted.items() if value is not None)
        where += " AND id <= :last" if last else ""
        sql = f"SELECT * FROM prompts WHERE {IMPORT_DONE}{where} ORDER BY id LIMIT :limit"
        return map(_prompt, self._store.stream(sql, {**wanted, "last": last, "limit": -1 if limit is None else limit}))

    def last_id(self) -> int:
        """Return the number of the newest prompt; 0 without one."""
        return self._store.value(f"SELECT coalesce(max(id), 0) FROM prompts WHERE {IMPORT_DONE}")

    def call_tools(self) -> bool:
        """Return whether the turns of any prompt may define, call or be tools."""
        return bool(self._store.value("""SELECT EXISTS (SELECT 1 FROM prompts WHERE messages LIKE '%"tool%')"""))

    def count(self, split: str | None = None) -> int:
        """Count the prompts, in all or in a split."""
        return self._store.value(
            f"SELECT count(*) FROM prompts WHERE {IMPORT_DONE} AND (?1 IS NULL OR split = ?1)", [split]
        )


def _prompt(row: Mapping[str, Any]) -> Prompt:
    return Prompt(
        id=row["id"],
        text=row["text"],
        messages=row["messages"] and json.loads(row["messages"]),
        split=row["split"],
        source=row["source"],
        family=row["family"],
        facts=row["facts"] and json.loads(row["facts"]),
    )
