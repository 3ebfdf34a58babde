# SPDX-License-Identifier: Apache-2.0
"""Reward models of homes from before roles get the role that the store shows they had."""

from __future__ import annotations

import json

import pytest
from sqlite_utils import Database

from data.sqlite.migrations import migrations


def roles_after(models: dict[int, str], policies: list[tuple[int | None, dict]]) -> dict[int, str]:
    """Return the roles after the migration of models, by id with their part, and (reward model, settings) of policies."""
    database = Database(memory=True)
    migrations.apply(database, stop_before="m200_reward_roles")
    about = {"name": "reward", "base": "b", "adapter": "a", "created_at": "2026-01-01"}
    database["reward_models"].insert_all(
        {"id": id, "config": json.dumps({"part": part} if part else {}), **about} for id, part in models.items()
    )
    about = {"name": "policy", "kind": "ppo", "base": "b", "created_at": "2026-01-01"}
    database["policies"].insert_all(
        {"reward_model_id": driver, "config": json.dumps(config), **about} for driver, config in policies
    )
    migrations.apply(database)
    return {row["id"]: row["role"] for row in database["reward_models"].rows}


@pytest.mark.parametrize(
    ("models", "policies", "guards"),
    [
        ({1: "0-1", 2: ""}, [], []),
        ({1: "0-1", 2: "0.5-1"}, [], [2]),  # a part, and it drove nothing
        ({1: "0-0.5", 2: "0.5-1"}, [(1, {"guard": "r2"})], [2]),  # a part that drove
        ({1: "0-1", 2: "0-1", 3: "0-1"}, [(1, {"guard": "r2"}), (3, {"guard": "1"})], [2]),  # 1 guarded and drove
        ({1: "0-0.5", 2: "0.5-1"}, [], []),  # nothing says which of them guards
    ],
)
def test_what_drove_is_a_driver_and_a_part_or_a_guard_of_a_policy_is_a_guard(models, policies, guards):
    roles = roles_after(models, policies)
    assert roles == {id: "guard" if id in guards else "driver" for id in models}
