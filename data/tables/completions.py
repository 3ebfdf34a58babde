# SPDX-License-Identifier: Apache-2.0
"""Completions. Their id is a hash that includes the policy: equal texts of two policies are two completions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from data.clock import now
from data.errors import BadInput
from data.ids import canonical_json, imported_id, sampled_id
from data.records import Completion
from data.sqlite.table import Table

COLUMNS = (
    "id",
    "prompt_id",
    "policy_id",
    "model_name",
    "text",
    "token_ids",
    "sampling",
    "seed",
    "number",
    "ended",
    "run_id",
    "created_at",
    "import_id",
)


class Completions(Table):
    """The answers of policies and of imported models."""

    def add_many(self, completions: Iterable[Completion | Mapping[str, Any]], run_id: int | None = None) -> list[str]:
        """Add completions in one commit; return their ids in the same order. Existing ones stay unchanged.

        A mapping has `prompt_id`, `text`, `number` (0) and either `policy_id`, `token_ids`, `sampling`, `seed`,
        `ended` (sampled) or `model_name` (imported; `number` is then the occurrence). A given `id` is ignored.
        """
        names = dict(self._store.db.conn.execute("SELECT id, name FROM policies").fetchall())
        rows = [
            _values(completion if isinstance(completion, Mapping) else asdict(completion), names, run_id)
            for completion in completions
        ]
        self._store.insert_many("completions", COLUMNS, rows)
        return [row[0] for row in rows]

    def get(self, id: str) -> Completion:
        """Return the completion. Raises BadInput if there is none."""
        row = self._store.maybe("SELECT * FROM completions WHERE id = ?", [id])
        if row is None:
            raise BadInput.of("error.no_completion", id=id)
        return _completion(row)

    def of_policy(self, policy_id: int, split: str | None = None) -> list[Completion]:
        """Return a policy's completions, by prompt and number; those of one split's prompts if given."""
        sql = (
            "SELECT completions.* FROM completions JOIN prompts ON prompts.id = completions.prompt_id"
            " WHERE policy_id = :policy AND (:split IS NULL OR prompts.split = :split) ORDER BY prompt_id, number, completions.id"
        )
        return [_completion(row) for row in self._store.rows(sql, {"policy": policy_id, "split": split})]

    def of_prompt(self, prompt_id: int) -> list[Completion]:
        """Return a prompt's completions, oldest first."""
        sql = "SELECT * FROM completions WHERE prompt_id = ? ORDER BY rowid"
        return [_completion(row) for row in self._store.rows(sql, [prompt_id])]

    def of_run(self, run_id: int) -> list[Completion]:
        """Return the completions that a run sampled, in their order."""
        sql = "SELECT * FROM completions WHERE run_id = ? ORDER BY rowid"
        return [_completion(row) for row in self._store.rows(sql, [run_id])]

    def recent_prompts(self, policy_id: int, limit: int) -> list[int]:
        """Return the distinct prompts of a policy's newest completions, newest first, at most `limit`."""
        sql = "SELECT prompt_id FROM completions WHERE policy_id = ? ORDER BY rowid DESC LIMIT ?"
        return list(dict.fromkeys(row["prompt_id"] for row in self._store.rows(sql, [policy_id, limit])))

    def next_numbers(self, model_name: str) -> Counter[int]:
        """Return the number of a remote model's next answer, by prompt id; empty answers are not stored.

        Policies of the same name do not count.
        """
        sql = "SELECT prompt_id, max(number) + 1 AS next FROM completions WHERE policy_id IS NULL AND model_name = ? GROUP BY prompt_id"
        return Counter({row["prompt_id"]: row["next"] for row in self._store.rows(sql, [model_name])})

    def count(self) -> int:
        """Count the completions."""
        return self._store.value("SELECT count(*) FROM completions")


def _values(given: Mapping[str, Any], policy_names: Mapping[int, str], run_id: int | None) -> tuple:
    given = {"policy_id": None, "token_ids": None, "sampling": {}, "seed": None, "number": 0, "ended": True, **given}
    sampled = given["policy_id"] is not None
    if sampled and given["policy_id"] not in policy_names:
        raise BadInput(f"there is no policy p{given['policy_id']}")
    name = given.get("model_name") or policy_names.get(given["policy_id"])
    if not name:
        raise BadInput("a completion names neither its policy nor its model", field="model_name")
    return (
        _id(given, sampled, name),
        given["prompt_id"],
        given["policy_id"],
        name,
        given["text"],
        None if given["token_ids"] is None else canonical_json(list(given["token_ids"])),
        canonical_json(given["sampling"]),
        given["seed"],
        given["number"],
        int(given["ended"]),
        given.get("run_id") if run_id is None else run_id,
        now(),
        given.get("import_id"),
    )


def _id(given: Mapping[str, Any], sampled: bool, name: str) -> str:
    if not sampled:
        return imported_id(given["prompt_id"], name, given["text"], given["number"])
    token_ids: Sequence[int] | None = given["token_ids"]
    if token_ids is None:
        raise BadInput("a sampled completion comes with its token ids", field="token_ids")
    return sampled_id(
        given["prompt_id"], given["policy_id"], given["sampling"], given["seed"], given["number"], token_ids
    )


def _completion(row: Mapping[str, Any]) -> Completion:
    row = {name: row[name] for name in Completion.__dataclass_fields__}
    row["token_ids"] = row["token_ids"] and json.loads(row["token_ids"])
    return Completion(**{**row, "sampling": json.loads(row["sampling"]), "ended": bool(row["ended"])})
