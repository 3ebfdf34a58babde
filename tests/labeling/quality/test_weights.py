# SPDX-License-Identifier: Apache-2.0
"""Weights of labelers: versions in the store, and the rows of reward training."""

from __future__ import annotations

import pytest

from data.errors import BadInput
from labeling.quality.weighting import weigh
from reward.settings import RewardSettings
from reward.training.rows import run_rows
from tests.support.labeled_notes import context_of, fill
from tests.support.tiny_model import make_tiny_model


def test_weights_are_kept_as_a_version_and_adjudicated_pairs_count_as_known(store, add_pairs, compare, mina, jun):
    pairs = add_pairs(40)
    for number, pair in enumerate(pairs):
        compare(pair, mina, "left" if number % 2 else "right")
        compare(pair, jun, "right" if number % 2 else "left", swapped=number % 3 == 0)
        store.gold.set(pair.id, pair.first_id if number % 2 else pair.second_id, by="rae")
    weighting = weigh(store, ("person", "import"), by="rae")
    weights = weighting.by_labeler()
    assert weights[mina.id] > 1.5 > 0.5 > weights[jun.id]
    assert store.labeler_weights.newest() == weighting
    assert (weighting.votes, weighting.labels) == (80, "person+import")


def test_who_is_set_aside_is_not_weighed_and_without_comparisons_nothing_is_kept(store, add_pairs, compare, mina, jun):
    with pytest.raises(BadInput, match="no comparisons"):
        weigh(store, ("person",), by="rae")
    for pair in add_pairs(3):
        compare(pair, mina, "left")
        compare(pair, jun, "left")
    store.excluded_labelers.exclude("jun", "asleep", by="rae")
    assert set(weigh(store, ("person",), by="rae").by_labeler()) == {mina.id}
    assert store.value("SELECT count(*) FROM weightings") == 1


def test_reward_training_freezes_rows_with_their_labelers_weights_and_names_the_version(store, tmp_path):
    labeled = fill(store, make_tiny_model("llama", tmp_path / "model"))
    settings = RewardSettings(weights="reliability")
    snapshot, training, held_out = run_rows(context_of(labeled, settings), settings, settings.weights)
    rows = [*training, *held_out.validation, *held_out.test]
    assert snapshot.filters["weighting"] == store.labeler_weights.newest().id
    assert {row.weight for row in rows} == {1.0}  # one labeler, who is the mean
    (author,) = {row.labeler_id for row in rows}
    assert {row["labeler"] for row in labeled.snapshots.rows(snapshot.id)} == {f"labeler-{author}"}
    again = run_rows(context_of(labeled, settings), RewardSettings(), "equal")[0]
    assert again.id == snapshot.id  # the same rows are the same snapshot
