# SPDX-License-Identifier: Apache-2.0
"""A reward training that also makes a guard: two models of one snapshot that share no training comparison."""

from __future__ import annotations

import pytest

from data import Store
from reward.model import RewardModel
from reward.prompt_parts import DRIVER_PART, GUARD_PART, are_disjoint, count_shared, trained_comparison_ids
from reward.settings import RewardSettings
from reward.training.run import run
from tests.support.labeled_notes import BAD, GOOD, context_of, fill


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, base_folder):
    """(store, result) of a run that makes a driver and a guard of 60 comparisons."""
    store, settings = (
        fill(Store(tmp_path_factory.mktemp("home")), base_folder),
        RewardSettings(guard="yes", part=DRIVER_PART, seed=3),
    )
    yield store, run(context_of(store, settings), settings)
    store.close()


def test_the_driver_comes_first_and_both_roles_are_stored(guarded):
    store, result = guarded
    assert result.produced == ["r1", "r2"]
    assert [(model.role, model.config["part"], model.config["guard"]) for model in store.reward_models.all()] == [
        ("driver", DRIVER_PART, "yes"),
        ("guard", GUARD_PART, "no"),
    ]


def test_both_share_no_comparison_and_leave_none_out(guarded):
    store, _ = guarded
    driver, guard = store.reward_models.all()
    trained = [trained_comparison_ids(store, model) for model in (driver, guard)]
    everything = {row["comparison_id"] for row in store.snapshots.rows(driver.snapshot_id) if row["split"] == "train"}
    assert count_shared(store, driver, guard) == len(trained[0] & trained[1]) == 0
    assert trained[0] | trained[1] == everything
    assert [model.report["trained_on"] for model in (driver, guard)] == [len(ids) for ids in trained]


def test_the_guard_has_a_report_of_the_same_test_prompts_and_scores(guarded):
    store, _ = guarded
    driver, guard = store.reward_models.all()
    assert guard.report["test_comparisons"] == driver.report["test_comparisons"] > 0
    assert guard.report["method"]["reason"] == "heads on the frozen base: a guard"
    good, bad = RewardModel.load(store.home / guard.adapter).score(["Write a note."] * 2, [GOOD, BAD])
    assert good > bad


@pytest.mark.parametrize(
    ("part", "other", "disjoint"),
    [("0-0.8", "0.8-1", True), ("0.5-1", "0-0.5", True), ("0-0.8", "0.7-1", False), ("0-1", "0.4-0.5", False)],
)
def test_parts_are_disjoint_if_no_position_is_in_both(part, other, disjoint):
    assert are_disjoint(part, other) is disjoint


def test_models_of_overlapping_parts_are_compared_by_their_comparisons(store):
    rows = [{"comparison_id": f"c{n}", "prompt": f"Prompt {n}.", "split": "train" if n else "test"} for n in range(9)]
    first, second = (store.snapshots.freeze("preferences", part, {}) for part in (rows[:6], rows[4:]))
    models = [
        store.reward_models.add(name="m", base="b", adapter="a", snapshot_id=snapshot.id)
        for snapshot in (first, second)
    ]
    assert count_shared(store, *models) == 2  # c4 and c5
