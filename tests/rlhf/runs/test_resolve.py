# SPDX-License-Identifier: Apache-2.0
"""Launching resolves "the newest" once: the run's row names the policy, reward model, rows and prompts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.errors import BadInput
from data.records import Run
from data.store import Store
from data.views.frozen_rows import NOTE
from rlhf.common import locks
from rlhf.kinds import KINDS, find_kind
from rlhf.runs.launch import launch, resume
from rlhf.runs.resolve import MODELS, RESOLVERS, shown_defaults


@pytest.fixture
def queue(store: Store):
    """Queue a run while no supervisor takes it."""

    def queued(kind: str, resumes: int | None = None, **settings: object) -> Run:
        with locks.acquire_lock(store.home / locks.SUPERVISOR):
            return launch(store, kind, settings, by="rae", resumes=resumes)

    return queued


@pytest.fixture
def stocked(store: Store, base_folder: Path, add_pairs) -> Store:
    """A home with p1, its child p2, r1, 12 comparisons and 9 instruction rows."""
    store.policies.add(name="first", kind="base", base=str(base_folder))
    add_policy(store, parent=1)
    add_reward(store)
    ada = store.accounts.add("ada", "labeler")
    for pair in add_pairs(12):
        store.comparisons.record(
            id=f"c{pair.id}",
            pair_id=pair.id,
            labeler_id=ada.id,
            left_id=pair.first_id,
            right_id=pair.second_id,
            verdict="left",
            source="import",
        )
    store.instructions.add_many(
        {"instruction": f"Say {number}.", "input": "", "output": f"{number}.", "source": "test"} for number in range(9)
    )
    return store


def add_policy(store: Store, parent: int) -> None:
    first = store.policies.get(1)
    store.policies.add(name=f"child of p{parent}", kind="sft", base=first.base, parent_id=parent)


def add_reward(store: Store) -> None:
    store.reward_models.add(name="judge", base=store.policies.get(1).base, adapter="nowhere")


def instructions_snapshot(store: Store) -> str:
    rows = [{"instruction": "Say 1.", "input": "", "output": "1."}]
    return store.snapshots.freeze("instructions", rows, {}, "one").public


def test_the_newest_models_are_named_in_the_row(stocked, queue):
    settings = queue("ppo", max_new_tokens=4).settings
    assert (settings["from"], settings["reward"]) == ("p2", "r1")
    assert queue("sft").settings["from"] == "p1"  # fine-tuning starts from the first policy
    assert queue("sample", max_new_tokens=4).settings["from"] == "p2"
    compared = queue("compare", max_new_tokens=4).settings
    assert (compared["policies"], compared["against"]) == (["p2"], "p1")


def test_a_run_queued_before_a_newer_policy_keeps_its_own(stocked, queue):
    before = queue("dpo")
    add_policy(stocked, parent=2)
    after = queue("dpo")
    assert [run.settings["from"] for run in (before, after)] == ["p2", "p3"]
    assert stocked.runs.get(before.id).settings["from"] == "p2"


def test_rows_are_frozen_when_the_run_is_queued(stocked, queue):
    reward, sft = queue("reward"), queue("sft")
    assert stocked.snapshots.get(reward.settings["snapshot"]).row_count == 12
    rows = stocked.snapshots.get(sft.settings["snapshot"]).row_count
    stocked.instructions.add_many([{"instruction": "Sing.", "input": "", "output": "La.", "source": "test"}])
    assert stocked.snapshots.get(stocked.runs.get(sft.id).settings["snapshot"]).row_count == rows
    assert reward.settings["base"] == stocked.policies.get(2).base


def test_weights_by_reliability_are_frozen_with_the_rows(stocked, queue):
    snapshot = stocked.snapshots.get(queue("reward", weights="reliability").settings["snapshot"])
    assert snapshot.filters["weighting"] == stocked.labeler_weights.newest().id


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS.values() if "prompts" in kind.resolves])
def test_prompts_that_come_later_are_not_the_run_s(stocked, queue, kind):
    newest = stocked.prompts.last_id()
    given = {"judge": "reward", "reward": "r1"} if kind in ("quantity", "ab") else {}
    given |= {"a": instructions_snapshot(stocked)} if kind == "ab" else {}
    run = queue(kind, max_new_tokens=4, **given)
    stocked.prompts.add("A late prompt.", source="test")
    assert run.settings["last_prompt"] == newest < stocked.prompts.last_id()


def test_every_kind_with_a_newest_number_freezes_it():
    frozen = {"last_prompt": "prompts", "last_row": "rows", "last_rating": "ratings"}
    for kind in KINDS.values():
        wanted = {resolver for key, resolver in frozen.items() if key in kind.settings_class().model_fields}
        assert wanted == set(kind.resolves) & set(frozen.values()), kind.name


def test_a_cancelled_run_is_resumed_with_the_models_it_began_with(stocked, queue):
    run = queue("ppo", max_new_tokens=4)
    stocked.runs.finish(run.id, "cancelled")
    (stocked.home / "runs" / str(run.id) / "checkpoint" / "checkpoint-1").mkdir(parents=True)
    add_policy(stocked, parent=1)
    add_reward(stocked)
    with locks.acquire_lock(stocked.home / locks.SUPERVISOR):
        again = resume(stocked, run.id, by="rae")
    assert again.settings == run.settings


@pytest.mark.parametrize(("key", "value"), [("from", "p1"), ("reward", "r2"), ("seed", 9), ("last_prompt", 1)])
def test_a_resumed_run_refuses_other_settings(stocked, queue, key, value):
    run = queue("ppo", max_new_tokens=4)
    add_reward(stocked)
    with pytest.raises(BadInput, match=rf"run1 has {key}=\w+ and cannot be resumed with {key}={value}"):
        queue("ppo", resumes=run.id, **{**run.settings, key: value})
    assert len(stocked.runs.all()) == 1


def test_a_run_of_an_earlier_version_resumes_with_the_rows_of_its_checkpoint(stocked, queue):
    frozen = stocked.snapshots.get(queue("sft").settings["snapshot"])
    old = stocked.runs.enqueue("sft", {"from": "p1", "snapshot": ""}, "rae")
    stocked.runs.finish(old.id, "cancelled")
    checkpoint = stocked.home / "runs" / str(old.id) / "checkpoint"
    checkpoint.mkdir(parents=True)
    (checkpoint / NOTE).write_text(json.dumps({"snapshot": frozen.public}))
    stocked.instructions.add_many([{"instruction": "Sing.", "input": "", "output": "La.", "source": "test"}])
    with locks.acquire_lock(stocked.home / locks.SUPERVISOR):
        assert resume(stocked, old.id, by="rae").settings["snapshot"] == frozen.public


@pytest.mark.parametrize(
    ("kind", "settings", "was"),
    [
        ("ppo", {"critic": "joint", "max_new_tokens": 4}, {"estimator": "gae", "critic": "joint"}),
        ("reward", {"rank": 4}, {"method": "lora", "epochs": 1}),
    ],
)
def test_a_run_of_an_earlier_version_resumes_as_it_began(stocked, queue, kind, settings, was):
    whole = {key: value for key, value in queue(kind).settings.items() if key not in was}
    old = stocked.runs.enqueue(kind, whole | settings, "rae")
    stocked.runs.finish(old.id, "cancelled")
    (stocked.home / "runs" / str(old.id) / "checkpoint" / "checkpoint-1").mkdir(parents=True)
    with locks.acquire_lock(stocked.home / locks.SUPERVISOR):
        again = resume(stocked, old.id, by="rae")
    assert {key: again.settings[key] for key in was} == was


def test_every_resolver_a_kind_names_exists():
    assert {name for kind in KINDS.values() for name in kind.resolves} == set(RESOLVERS) >= set(MODELS)


def test_a_form_shows_what_its_empty_fields_mean(stocked):
    assert shown_defaults(stocked, find_kind("ppo")) == {"from": ("p2", "newest"), "reward": ("r1", "newest")}
    assert shown_defaults(stocked, find_kind("compare")) == {"policies": ("p2", "newest"), "against": ("p1", "parent")}
    assert shown_defaults(stocked, find_kind("sft")) == {"from": ("p1", "first")}


def test_a_form_of_an_empty_home_shows_nothing(store):
    assert shown_defaults(store, find_kind("ppo")) == {}
