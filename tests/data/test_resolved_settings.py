# SPDX-License-Identifier: Apache-2.0
"""Runs of a home from before defaults were resolved get the models and rows that they really used."""

from __future__ import annotations

import json

import pytest
from sqlite_utils import Database

from data.sqlite.migrations import migrations

POLICIES = (  # id, kind, parent, reward model, snapshot, run, made at
    (1, "base", None, None, None, None, "2026-01-01"),
    (2, "sft", 1, None, 1, 1, "2026-01-02"),
    (3, "ppo", 2, 1, None, 3, "2026-01-04"),
    (4, "best-of-n", 3, 1, None, 5, "2026-01-05"),
    (5, "sft", 1, None, 1, None, "2026-01-07"),
)
RUNS = (  # id, kind, state, started at, settings
    (1, "sft", "done", "2026-01-02", {"from": "", "snapshot": ""}),
    (2, "reward", "done", "2026-01-03", {"from": "", "snapshot": ""}),
    (3, "ppo", "done", "2026-01-04", {"from": "", "reward": ""}),
    (4, "ppo", "done", "2026-01-04", {"from": "p1", "reward": "guide"}),
    (5, "best-of-n", "done", "2026-01-05", {"from": "", "reward": ""}),
    (6, "dpo", "cancelled", "2026-01-06", {"from": "", "snapshot": ""}),
    (7, "sft", "cancelled", "2026-01-06", {"from": "", "snapshot": ""}),
    (8, "pretrain", "done", "2026-01-08", {"from": ""}),
)


@pytest.fixture
def settings() -> dict[int, dict]:
    """Return the settings of RUNS after the change, by run."""
    database = Database(memory=True)
    migrations.apply(database, stop_before="m090_resolved_settings")
    snapshot = {"kind": "instructions", "row_count": 0, "filters": "{}", "created_at": "2026-01-01"}
    database["snapshots"].insert_all([{"id": id, "hash": str(id), **snapshot} for id in (1, 2)])
    database["runs"].insert_all(
        {
            "id": id,
            "kind": kind,
            "state": state,
            "started_at": started,
            "settings": json.dumps(values),
            "created_by": "rae",
            "created_at": started,
        }
        for id, kind, state, started, values in RUNS
    )
    database["reward_models"].insert(
        {"id": 1, "name": "", "base": "", "adapter": "", "snapshot_id": 2, "run_id": 2, "created_at": "2026-01-03"}
    )
    columns = ("id", "kind", "parent_id", "reward_model_id", "snapshot_id", "run_id", "created_at")
    database["policies"].insert_all(
        {"name": "", "base": "", **dict(zip(columns, row, strict=True))} for row in POLICIES
    )
    migrations.apply(database)
    return {row["id"]: json.loads(row["settings"]) for row in database["runs"].rows}


@pytest.mark.parametrize(
    ("run", "used"),
    [
        (1, {"from": "p1", "snapshot": "s1"}),  # its policy's parent and rows
        (2, {"from": "", "snapshot": "s2"}),  # no policy: a reward model on the bare base
        (3, {"from": "p2", "reward": "r1"}),
        (4, {"from": "p1", "reward": "guide"}),  # what was named stays
        (5, {"from": "p3", "reward": "r1"}),
        (6, {"from": "p3", "snapshot": ""}),  # made nothing: the newest with its own weights then, not p4 or p5
        (7, {"from": "p1", "snapshot": ""}),  # fine-tuning starts from the first policy
        (8, {"from": ""}),  # empty means a new base model
    ],
)
def test_a_run_names_what_it_used(settings, run, used):
    assert settings[run] == used
