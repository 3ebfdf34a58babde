# SPDX-License-Identifier: Apache-2.0
"""Policies: an adapter on a base each, with its parents, its data, its settings, its seed and library versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NotRequired, TypedDict, Unpack

from data.ids import POLICY
from data.records import Policy
from data.tables.model_rows import ModelTable


class NewPolicy(TypedDict):
    """A new policy. `kind`: base, sft, ppo, dpo, rejection, best-of-n, imported; `adapter` None: the bare base."""

    name: str
    kind: str
    base: str
    adapter: NotRequired[str | None]
    parent_id: NotRequired[int | None]
    reward_model_id: NotRequired[int | None]
    snapshot_id: NotRequired[int | None]
    run_id: NotRequired[int | None]
    config: NotRequired[dict[str, Any]]
    seed: NotRequired[int | None]
    versions: NotRequired[dict[str, Any]]


class Policies(ModelTable):
    """The family tree. A policy's folder is HOME/policies/p4."""

    table, folder_name, prefix, noun, record = "policies", "policies", POLICY, "policy", Policy
    parsed = ("config", "versions")

    def add(self, **columns: Unpack[NewPolicy]) -> Policy:
        """Add a policy."""
        return self._add(columns)

    def publish_base(self, folder: Path, **columns: Any) -> Policy:  # noqa: ANN401 (the values of columns and fields have many types)
        """Add a bare base and move its finished `folder`, from the same disk, to its place: both or neither.

        The keys are `add`'s without `base` and `adapter`.
        """
        with self._store.transaction():
            policy = self.add(**columns, base="")
            self._move_in(folder, policy.id)
            base = self._written_base(str(self.folder(policy.id).resolve()))
            self._store.execute("UPDATE policies SET base = ? WHERE id = ?", [base, policy.id])
            return self.get(policy.id)

    def children(self, id: int) -> list[Policy]:
        """Return the policies trained from it, oldest first."""
        return [
            self._record(row)
            for row in self._store.rows("SELECT * FROM policies WHERE parent_id = ? ORDER BY id", [id])
        ]
