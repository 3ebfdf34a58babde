# SPDX-License-Identifier: Apache-2.0
"""Policies, reward models, evaluations: rows whose files appear together with them, with their lineage."""

from __future__ import annotations

import pytest

from data.errors import BadInput


def base(store):
    """The bare base, p1."""
    return store.policies.add(name="base", kind="base", base="starter")


def adapter(tmp_path, text="weights"):
    """A finished folder beside the home."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_text(text)
    return folder


def test_lineage_goes_from_a_policy_back_to_its_rows(store):
    start = base(store)
    run = store.runs.enqueue("ppo", {}, "Mina")
    snapshot = store.snapshots.freeze("preferences", [{"comparison_id": "c1", "weight": 1.0}], {"source": ["person"]})
    judge = store.reward_models.add(
        name="judge",
        base="starter",
        adapter="rewards/r1",
        snapshot_id=snapshot.id,
        run_id=run.id,
        report={"accuracy": 0.7},
        seed=3,
    )
    policy = store.policies.add(
        name="ppo",
        kind="ppo",
        base="starter",
        adapter="policies/p2",
        parent_id=start.id,
        reward_model_id=judge.id,
        run_id=run.id,
        config={"lr": 1e-4},
        seed=4,
        versions={"torch": "2"},
    )
    assert (start.public, policy.public, judge.public) == ("p1", "p2", "r1")
    assert store.policies.get("p2") == policy
    assert (policy.config, policy.seed, policy.versions) == ({"lr": 1e-4}, 4, {"torch": "2"})
    rows = store.snapshots.rows(store.reward_models.get(policy.reward_model_id).snapshot_id)
    assert rows == [{"comparison_id": "c1", "weight": 1.0}]
    assert store.policies.children(start.id) == [policy]
    assert store.policies.all() == [start, policy]
    assert judge.report == {"accuracy": 0.7}


def test_a_published_folder_and_its_row_appear_together(store, tmp_path):
    policy = store.policies.publish(adapter(tmp_path), name="sft", kind="sft", base="starter")
    assert policy.adapter == "policies/p1"
    assert store.policies.folder(policy.id) == store.home / "policies" / "p1"
    assert (store.home / policy.adapter / "adapter_model.safetensors").read_text() == "weights"
    assert not (tmp_path / "scratch").exists()
    judge = store.reward_models.publish(adapter(tmp_path), name="judge", base="starter")
    assert judge.adapter == "rewards/r1"


def test_a_folder_that_cannot_be_moved_leaves_no_row(store, tmp_path):
    with pytest.raises(FileNotFoundError):
        store.policies.publish(tmp_path / "nowhere", name="sft", kind="sft", base="starter")
    assert store.policies.count() == 0


def test_what_a_crash_left_in_a_place_is_swept_away(store, tmp_path):
    left = store.policies.folder(1)
    left.mkdir(parents=True)
    (left / "half").write_text("written")
    policy = store.policies.publish(adapter(tmp_path), name="sft", kind="sft", base="starter")
    assert [path.name for path in store.policies.folder(policy.id).iterdir()] == ["adapter_model.safetensors"]


def test_a_model_that_is_not_there_is_named_by_its_public_id(store):
    with pytest.raises(BadInput, match="there is no policy p7"):
        store.policies.get("p7")
    with pytest.raises(BadInput, match="there is no reward model r7"):
        store.reward_models.get(7)
    with pytest.raises(BadInput, match="'r1' is not the id of a policy"):
        store.policies.get("r1")


def test_the_latest_evaluation_of_a_judge_is_found(store):
    start = base(store)
    policy = store.policies.add(name="ppo", kind="ppo", base="starter", parent_id=start.id)
    store.evaluations.add(policy.id, start.id, "rubric", {"win_rate": 0.6})
    newest = store.evaluations.add(policy.id, start.id, "rubric", {"win_rate": 0.65})
    alone = store.evaluations.add(policy.id, None, "r1", {"mean": 1.0})
    assert store.evaluations.latest(policy.id, start.id, "rubric") == newest
    assert store.evaluations.latest(policy.id, None, "r1") == alone
    assert store.evaluations.latest(policy.id, start.id, "simulated") is None
    assert len(store.evaluations.all(policy.id)) == 3
    assert store.evaluations.all(start.id) == []
