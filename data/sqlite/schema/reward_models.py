# SPDX-License-Identifier: Apache-2.0
"""The role of reward models, and the table of the scores that they gave. Never edited: later changes are migrations.

The role of a model of an earlier version: one that drove a policy is a driver. Of the others, one is a guard if it
guarded a policy or if its settings name a part of the prompts. If no driver were left, the store does not say which
model guards: all are drivers.
"""

from __future__ import annotations

_COLUMN = """ALTER TABLE reward_models ADD COLUMN role TEXT NOT NULL DEFAULT 'driver'
    CHECK (role IN ('driver', 'guard', 'judge'))"""
_PARTIAL = "coalesce(json_extract(config, '$.part'), '0-1') != '0-1'"
_GUARDED = """EXISTS (SELECT 1 FROM policies AS p
    WHERE json_extract(p.config, '$.guard') IN ('r' || reward_models.id, CAST(reward_models.id AS TEXT)))"""
_DROVE = "EXISTS (SELECT 1 FROM policies AS p WHERE p.reward_model_id = reward_models.id)"
_GUARDS = f"UPDATE reward_models SET role = 'guard' WHERE NOT {_DROVE} AND ({_PARTIAL} OR {_GUARDED})"
_DRIVERS = (
    "UPDATE reward_models SET role = 'driver' WHERE NOT EXISTS (SELECT 1 FROM reward_models WHERE role = 'driver')"
)
ROLES = (_COLUMN, _GUARDS, _DRIVERS)
SCORES = """
CREATE TABLE reward_scores (
    reward_model_id INTEGER NOT NULL REFERENCES reward_models (id),
    completion_id TEXT NOT NULL REFERENCES completions (id),
    score REAL,                         -- raw; NULL: the model cannot read the completion
    UNIQUE (reward_model_id, completion_id)
) STRICT
"""
