# SPDX-License-Identifier: Apache-2.0
"""The role of a reward model: it drives trainings, guards them, or judges policies. Never edited."""

from __future__ import annotations

COLUMN = """ALTER TABLE reward_models ADD COLUMN role TEXT NOT NULL DEFAULT 'driver'
    CHECK (role IN ('driver', 'guard', 'judge'))"""
_PARTIAL = "coalesce(json_extract(config, '$.part'), '0-1') != '0-1'"
_GUARDED = """EXISTS (SELECT 1 FROM policies AS p
    WHERE json_extract(p.config, '$.guard') IN ('r' || reward_models.id, CAST(reward_models.id AS TEXT)))"""
_DROVE = "EXISTS (SELECT 1 FROM policies AS p WHERE p.reward_model_id = reward_models.id)"
GUARDS = f"UPDATE reward_models SET role = 'guard' WHERE NOT {_DROVE} AND ({_PARTIAL} OR {_GUARDED})"
DRIVERS = (
    "UPDATE reward_models SET role = 'driver' WHERE NOT EXISTS (SELECT 1 FROM reward_models WHERE role = 'driver')"
)
