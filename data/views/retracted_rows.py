# SPDX-License-Identifier: Apache-2.0
"""Retracted rows in snapshots: which snapshots hold some, and which models were trained on such rows.

A snapshot keeps its rows, since it is the lineage of a model. A training refuses one with retracted rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.errors import BadInput
from data.ids import POLICY, REWARD_MODEL, canonical_json, parse_id, public_id
from data.records import Policy, RewardModel, Snapshot
from data.store import Store
from data.tables.retractions import Kind

TEXTS = (
    "SELECT instruction, input, output FROM instructions WHERE CAST(id AS TEXT) IN (SELECT value FROM json_each(?1))"
)
FIELDS: dict[Kind, tuple[str, ...]] = {
    "comparison": ("said_in", "comparison_id"),
    "ranking": ("said_in",),
    "completion": ("a_id", "b_id"),
}
"""The fields of a frozen comparison that name a row of this kind."""


@dataclass(frozen=True, slots=True)
class TrainedModels:
    """Ids of the models that some rows trained: directly, and by way of a model that these rows trained."""

    direct: list[str]
    derived: list[str]


def refuse_retracted(store: Store, snapshot: Snapshot, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise BadInput if the rows of a snapshot hold retracted ones."""
    if snapshot.kind == "preferences":
        retracted = {kind: store.retractions.ids(kind) for kind in FIELDS}
        count = sum(_names_one(row, retracted) for row in rows) if any(retracted.values()) else 0
    else:
        ids = store.retractions.ids("instruction")
        texts = {tuple(row.values()) for row in store.rows(TEXTS, [canonical_json(list(ids))])} if ids else set()
        count = sum((row["instruction"], row["input"], row["output"]) in texts for row in rows) if texts else 0
    if count:
        raise BadInput.of("error.rows_retracted", field="snapshot", count=count, rows=len(rows), public=snapshot.public)


def models_trained_on(store: Store, kind: Kind, ids: Sequence[str]) -> TrainedModels:
    """Return the models that these rows trained."""
    snapshots = _snapshots_with(store, kind, ids)
    models: list[RewardModel | Policy] = [*store.reward_models.all(), *store.policies.all()]
    direct = [model.public for model in models if model.snapshot_id in snapshots]
    used, derived = set(direct), list[str]()
    while found := [model.public for model in models if model.public not in used and used & _origins(model)]:
        used.update(found)
        derived += found
    return TrainedModels(direct, [model.public for model in models if model.public in derived])


def _origins(model: RewardModel | Policy) -> set[str]:
    """Return the models that a model was made from: a reward model may begin as a policy's adapter."""
    if isinstance(model, RewardModel):
        return {public_id(POLICY, parse_id(start, POLICY))} if (start := model.config.get("from")) else set()
    parents = ((POLICY, model.parent_id), (REWARD_MODEL, model.reward_model_id))
    return {public_id(prefix, number) for prefix, number in parents if number is not None}


def _names_one(row: Mapping[str, Any], retracted: Mapping[Kind, Collection[str]]) -> bool:
    return any(row.get(field) in retracted[kind] for kind, fields in FIELDS.items() for field in fields)


def _snapshots_with(store: Store, kind: Kind, ids: Sequence[str]) -> set[int]:
    if kind == "instruction":
        fields = ", ".join(f"json_extract(row, '$.{name}')" for name in ("instruction", "input", "output"))
        condition, frozen = f"({fields}) IN ({TEXTS})", "instructions"
    else:
        condition = " OR ".join(
            f"json_extract(row, '$.{name}') IN (SELECT value FROM json_each(?1))" for name in FIELDS[kind]
        )
        frozen = "preferences"
    sql = f"""SELECT DISTINCT snapshot_id FROM snapshot_rows
        WHERE snapshot_id IN (SELECT id FROM snapshots WHERE kind = '{frozen}') AND ({condition})"""
    return {row["snapshot_id"] for row in store.rows(sql, [canonical_json([str(id) for id in ids])])}
