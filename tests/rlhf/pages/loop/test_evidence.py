# SPDX-License-Identifier: Apache-2.0
"""The suggested next step reads figures: how sure a reward model is, and which policies the waiting pairs compare."""

from __future__ import annotations

from dataclasses import replace

from rlhf.pages.doubts import Doubt, Measured, find_doubt
from rlhf.pages.loop_counts import count_loop
from rlhf.pages.next_step import LoopCounts, next_step

FULL = {"prompts": 1000, "test_prompts": 150, "completions": 400, "policies": 2}


def test_pairs_of_other_policies_do_not_judge_the_newest(store):
    """Two policies with an answer each to three prompts: a pair of p3 and p1, one within p3, one of p2 and p1."""
    for number in range(3):
        store.policies.add(name=f"policy {number}", kind="base", base="b")
    answers = {}
    for policy in (1, 2, 3):
        for number in range(3):
            prompt = store.prompts.add(f"Name {number} cats.", source="test")
            rows = [
                {"prompt_id": prompt.id, "policy_id": policy, "text": f"{policy} {k}", "token_ids": [k]}
                for k in range(2)
            ]
            answers[policy, number] = prompt.id, store.completions.add_many(rows)
    pairs = [((3, 0, 0), (1, 0, 0)), ((3, 1, 0), (3, 1, 1)), ((2, 2, 0), (1, 2, 0))]
    for (one, number, first), (other, _, second) in pairs:
        prompt, ids = answers[one, number]
        store.pairs.add(prompt, ids[first], answers[other, number][1][second], purpose="compare")
    assert store.pairs.waiting_between(3, 1) == store.pairs.waiting_between(1, 3) == 1
    assert store.pairs.waiting_between(3, 2) == 0


def test_ppo_is_not_offered_for_a_reward_model_that_may_be_a_coin():
    counts = LoopCounts(**FULL, waiting=30, by_people=100, reward_models=1, newest_driver="r1", driver="r1")
    assert next_step(counts).kind == "ppo"
    doubtful = replace(counts, doubt=Doubt("coin", Measured(0.58, 0.45, 0.7, 24)))
    step = next_step(doubtful)
    assert (step.kind, step.link) == (None, "../label/")
    assert step.reason.startswith("r1 is right on 58 % (45 to 70) of 24 unseen comparisons")
    assert next_step(replace(doubtful, waiting=0)).kind == "sample"


def test_a_reward_model_may_be_a_coin_only_if_no_measurement_is_better():
    """16 test comparisons alone say little; 90 that cross-validation left out can say enough."""
    few = {"accuracy": 0.7, "ci": [0.45, 0.88], "test_comparisons": 16}
    crossed = {"accuracy": 0.66, "ci": [0.56, 0.75], "comparisons": 90}
    assert find_doubt(few) == Doubt("coin", Measured(0.7, 0.45, 0.88, 16))
    assert find_doubt(few | {"method": {"cross_validated": crossed}}) is None
    worse = crossed | {"ci": [0.49, 0.75]}
    assert find_doubt(few | {"method": {"cross_validated": worse}}) == Doubt("coin", Measured(0.66, 0.49, 0.75, 90))
    assert find_doubt({"accuracy": None, "ci": None}) is None  # nothing was measured


def test_ppo_is_not_offered_for_a_reward_model_that_the_length_of_answers_may_equal():
    counts = LoopCounts(**FULL, waiting=30, by_people=100, reward_models=1, newest_driver="r1", driver="r1")
    step = next_step(replace(counts, doubt=Doubt("length", Measured(0.66, 0.57, 0.74, 120, 0.61))))
    assert (step.kind, step.link) == (None, "../label/")
    assert step.reason == (
        "r1 is right on 66 % (57 to 74) of 120 unseen comparisons. Preferring the longer answer is right on 61 %."
        " More comparisons come first."
    )


def test_a_reward_model_is_better_than_length_if_the_interval_of_one_measurement_is_above_it():
    """17 test comparisons cannot say so; 97 that cross-validation left out can."""
    report = {"accuracy": 0.53, "ci": [0.3, 0.74], "test_comparisons": 17, "length_baseline": 0.53}
    crossed = {"accuracy": 0.67, "ci": [0.57, 0.76], "comparisons": 97, "length_baseline": 0.55}
    assert find_doubt(report | {"method": {"cross_validated": crossed}}) is None
    longer = crossed | {"length_baseline": 0.57}
    doubt = find_doubt(report | {"method": {"cross_validated": longer}})
    assert doubt == Doubt("length", Measured(0.67, 0.57, 0.76, 97, 0.57))
    few = {"accuracy": 0.9, "ci": [0.6, 0.99], "test_comparisons": 9, "length_baseline": 0.7}
    assert find_doubt(few) is None  # too few comparisons to measure the length


def test_a_guard_or_judge_is_never_offered_as_the_driver(store):
    """The newest model guards and the one before judges: r1 drives, and it is also the newest driver."""
    for role in ("driver", "judge", "guard"):
        store.reward_models.add(name=role, base="b", adapter="a", role=role)
    counts = count_loop(store)
    assert (counts.reward_models, counts.newest_driver, counts.driver) == (3, "r1", "r1")


def test_a_newer_driver_that_is_clearly_less_accurate_is_not_offered(store):
    store.reward_models.add(
        name="good", base="b", adapter="a", report={"accuracy": 0.8, "ci": [0.75, 0.85], "test_comparisons": 99}
    )
    store.reward_models.add(
        name="bad", base="b", adapter="a", report={"accuracy": 0.6, "ci": [0.5, 0.7], "test_comparisons": 99}
    )
    counts = count_loop(store)
    assert (counts.newest_driver, counts.driver) == ("r2", "r1")
