# SPDX-License-Identifier: Apache-2.0
"""Comparisons since a training: current ones of test prompts, of the sources that the model learned from."""

from __future__ import annotations

import pytest

from data.views.live_comparisons import NEWEST, live_comparisons, score_mark, scoring_models, unscored_comparisons
from tests.support.labeling.later_labels import add_test_pairs, judge

GOOD, BAD = "An oak.", "No."


@pytest.fixture
def model(store):
    """A reward model of people's and imported labels, trained after a first comparison of a test prompt."""
    early, *_ = add_test_pairs(store, 1)
    judge(store, early, GOOD)
    return store.reward_models.add(name="m", base="b", adapter="a", config={"labels": "person+import"})


def waiting(store, model) -> list[str]:
    return [row.comparison_id for row in unscored_comparisons(store, model, 100)]


def test_only_comparisons_of_test_prompts_after_the_training_wait(store, model, add_pairs):
    for pair in add_pairs(20):
        if store.prompts.get(pair.prompt_id).split != "test":
            about = {"pair_id": pair.id, "left_id": pair.first_id, "right_id": pair.second_id}
            store.comparisons.record(id=f"t{pair.id}", labeler_id=1, verdict="left", source="import", **about)
    _, pair, other = add_test_pairs(store, 3)
    wanted = judge(store, pair, GOOD)
    judge(store, other, GOOD, source="ai")  # the model learned from no labels of models
    assert waiting(store, model) == [wanted]


def test_a_corrected_comparison_counts_as_it_is_now(store, model):
    _, pair = add_test_pairs(store, 2)
    first = judge(store, pair, GOOD)
    second = judge(store, pair, BAD, supersedes=first)
    assert waiting(store, model) == [second]
    scores = {store.completions.get(id).text: id for id in (pair.first_id, pair.second_id)}
    store.reward_scores.add_many(model.id, {scores[GOOD]: 2.0, scores[BAD]: -1.0})
    (row,) = live_comparisons(store, model)
    assert (row.a_score - row.b_score > 0) == (row.label == 0.0)  # the model prefers the other answer
    assert waiting(store, model) == []


def test_an_answer_that_cannot_be_read_does_not_wait_and_gives_no_figure(store, model):
    _, pair = add_test_pairs(store, 2)
    judge(store, pair, GOOD)
    store.reward_scores.add_many(model.id, {pair.first_id: None, pair.second_id: 1.0})
    assert waiting(store, model) == live_comparisons(store, model) == []


def test_the_newest_models_score_and_each_reads_an_answer_once(store, model):
    for number in range(NEWEST):
        store.reward_models.add(name=f"m{number}", base="b", adapter="a")
    assert [each.public for each in scoring_models(store)] == ["r4", "r3", "r2"]
    _, pair = add_test_pairs(store, 2)
    before = score_mark(store)
    store.reward_scores.add_many(model.id, {pair.first_id: 1.0})
    store.reward_scores.add_many(model.id, {pair.first_id: 5.0, pair.second_id: 2.0})
    assert [row["score"] for row in store.rows("SELECT score FROM reward_scores ORDER BY rowid")] == [1.0, 2.0]
    assert score_mark(store) != before
