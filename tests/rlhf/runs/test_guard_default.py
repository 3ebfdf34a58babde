# SPDX-License-Identifier: Apache-2.0
"""From 400 training comparisons on a reward training also makes a guard, and PPO uses the newest independent guard."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.errors import BadInput
from data.store import Store
from reward.prompt_parts import DRIVER_PART, GUARD_PART
from rlhf.common import locks
from rlhf.kinds import find_kind
from rlhf.runs import resolve
from rlhf.runs.launch import former_settings, launch
from rlhf.runs.resolve import GUARD_FROM, shown_defaults


@pytest.fixture
def stocked(store: Store, base_folder: Path, add_pairs) -> Store:
    """A home with p1 and 600 imported comparisons, each of a prompt of its own."""
    store.policies.add(name="first", kind="base", base=str(base_folder))
    ada = store.accounts.add("ada", "labeler")
    with store.transaction():
        for pair in add_pairs(600):
            about = {"pair_id": pair.id, "labeler_id": ada.id, "left_id": pair.first_id, "right_id": pair.second_id}
            store.comparisons.record(id=f"c{pair.id}", verdict="left", source="import", **about)
    return store


def queue(store: Store, kind: str, **settings: object) -> dict:
    """Queue a run that no supervisor takes; return its settings."""
    with locks.acquire_lock(store.home / locks.SUPERVISOR):
        return launch(store, kind, settings, by="rae").settings


def add_model(store: Store, role: str, part: str, **about: object) -> str:
    snapshot = store.snapshots.get(queue(store, "reward", guard="no")["snapshot"])
    base = store.policies.get(1).base
    about = {"name": role, "base": base, "adapter": "a", "snapshot_id": snapshot.id, **about}
    return store.reward_models.add(role=role, config={"part": part}, **about).public


def test_with_enough_comparisons_a_training_keeps_a_fifth_of_the_prompts_for_a_guard(stocked, monkeypatch):
    trained = len(stocked.prompts.all(split="train"))
    assert trained >= GUARD_FROM
    chosen = queue(stocked, "reward")
    assert (chosen["guard"], chosen["part"]) == ("yes", DRIVER_PART)
    monkeypatch.setattr(resolve, "GUARD_FROM", trained + 1)
    few = queue(stocked, "reward")
    assert (few["guard"], few["part"]) == ("no", "0-1")
    asked = queue(stocked, "reward", guard="yes")
    assert (asked["guard"], asked["part"]) == ("yes", DRIVER_PART)


@pytest.mark.parametrize("settings", [{"guard": "no"}, {"part": "0-0.5"}, {"role": "guard"}, {"role": "judge"}])
def test_a_training_that_says_otherwise_makes_no_guard(stocked, settings):
    assert queue(stocked, "reward", **settings)["guard"] == "no"


def test_a_guard_beside_a_part_that_reaches_into_its_own_is_refused(stocked):
    with pytest.raises(BadInput, match=r"part=0\.5-1 does not leave them"):
        queue(stocked, "reward", guard="yes", part="0.5-1")


def test_ppo_is_guarded_by_the_newest_guard_that_never_saw_the_drivers_labels(stocked):
    driver = add_model(stocked, "driver", DRIVER_PART)
    guard = add_model(stocked, "guard", GUARD_PART)
    add_model(stocked, "guard", "0.7-1")  # learned from some of the driver's prompts
    add_model(stocked, "guard", GUARD_PART, base="elsewhere")  # would need a second base in memory
    assert shown_defaults(stocked, find_kind("ppo"))["guard"] == (guard, "newest")
    chosen = queue(stocked, "ppo", max_new_tokens=4)
    assert (chosen["reward"], chosen["guard"]) == (driver, guard)


def test_ppo_without_an_independent_guard_or_by_request_has_none(stocked):
    add_model(stocked, "driver", "0-1")
    add_model(stocked, "guard", GUARD_PART)
    assert "guard" not in shown_defaults(stocked, find_kind("ppo"))
    assert queue(stocked, "ppo", max_new_tokens=4)["guard"] == "none"
    driver = add_model(stocked, "driver", DRIVER_PART)
    assert queue(stocked, "ppo", max_new_tokens=4)["guard"] == "r2"
    assert queue(stocked, "ppo", max_new_tokens=4, guard="none", reward=driver)["guard"] == "none"


def test_a_ppo_run_of_an_earlier_version_resumes_without_a_guard(store):
    old = store.runs.enqueue("ppo", {"from": "p1", "guard": ""}, "rae")
    guarded = store.runs.enqueue("ppo", {"from": "p1", "guard": "r2"}, "rae")
    assert [former_settings(run)["guard"] for run in (old, guarded)] == ["none", "r2"]
