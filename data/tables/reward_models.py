# SPDX-License-Identifier: Apache-2.0
"""Reward models: an adapter and a head on a base each, with the report of the training."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict, Unpack

from data.ids import REWARD_MODEL
from data.records import RewardModel, RewardRole
from data.tables.model_rows import ModelTable


class NewRewardModel(TypedDict):
    """A new reward model."""

    name: str
    base: str
    adapter: str
    snapshot_id: NotRequired[int | None]
    run_id: NotRequired[int | None]
    config: NotRequired[dict[str, Any]]
    report: NotRequired[dict[str, Any]]
    seed: NotRequired[int | None]
    versions: NotRequired[dict[str, Any]]
    role: NotRequired[RewardRole]


class RewardModels(ModelTable):
    """Trained reward models. A reward model's folder is HOME/rewards/r3."""

    table, folder_name, prefix, noun, record = "reward_models", "rewards", REWARD_MODEL, "reward model", RewardModel
    parsed = ("config", "report", "versions")

    def add(self, **columns: Unpack[NewRewardModel]) -> RewardModel:
        """Add a reward model: a driver, unless `role` says otherwise."""
        return self._add(columns)

    def set_role(self, id: int, role: RewardRole) -> None:
        """Change a reward model's role."""
        self._store.execute("UPDATE reward_models SET role = ? WHERE id = ?", [role, id])
