# SPDX-License-Identifier: Apache-2.0
"""Independence of a judge: a reward model that trained a policy, or shares its labels, is named."""

from __future__ import annotations

import pytest

from rlhf.models.independence import explain_dependence
from tests.support.arena_home import fill_arena


@pytest.fixture
def arena(store):
    return fill_arena(store)


@pytest.mark.parametrize(
    ("judge", "policy", "why"),
    [
        (1, 2, "r1 drove p2"),
        (1, 4, "r1 drove p4"),
        (3, 2, "2 comparisons trained both r3 and p2"),
        (1, 3, "2 comparisons trained both r1 and p3"),
        (2, 2, None),
        (2, 3, None),
        (1, 1, None),
    ],
)
def test_a_judge_that_trained_a_policy_or_learned_with_it_is_named(arena, judge, policy, why):
    assert explain_dependence(arena, arena.reward_models.get(judge), arena.policies.get(policy)) == why


def test_the_reward_model_of_the_parent_is_not_independent_of_the_child(arena):
    child = arena.policies.add(name="child", kind="sft", base="b", adapter="x", parent_id=2)
    assert explain_dependence(arena, arena.reward_models.get(1), child) == "r1 drove p2"


@pytest.mark.parametrize("written", ["r2", "2"])
def test_the_guard_that_chose_the_checkpoint_is_not_independent_of_it(arena, written):
    watched = arena.policies.add(
        name="w", kind="ppo", base="b", adapter="x", parent_id=1, reward_model_id=1, config={"guard": written}
    )
    child = arena.policies.add(name="child", kind="sft", base="b", adapter="x", parent_id=watched.id)
    assert (
        explain_dependence(arena, arena.reward_models.get(2), watched)
        == f"r2 chose the kept checkpoint of {watched.public}"
    )
    assert (
        explain_dependence(arena, arena.reward_models.get(2), child)
        == f"r2 chose the kept checkpoint of {watched.public}"
    )
    assert explain_dependence(arena, arena.reward_models.get(1), watched) == f"r1 drove {watched.public}"


def test_a_judge_that_shares_labels_with_the_guard_is_not_independent_of_the_checkpoint(arena):
    """r1 learned from a and b, r2 from c and d, r3 from all four."""
    watched = arena.policies.add(
        name="w", kind="ppo", base="b", adapter="x", parent_id=1, reward_model_id=None, config={"guard": "r2"}
    )
    shared = f"2 comparisons trained both r3 and r2, which chose the kept checkpoint of {watched.public}"
    assert explain_dependence(arena, arena.reward_models.get(3), watched) == shared
    assert explain_dependence(arena, arena.reward_models.get(1), watched) is None


@pytest.mark.parametrize("guard", ["", "polite", "r9"])
def test_a_guard_that_is_no_reward_model_of_this_home_shares_no_labels(arena, guard):
    watched = arena.policies.add(
        name="w", kind="ppo", base="b", adapter="x", parent_id=1, reward_model_id=None, config={"guard": guard}
    )
    assert explain_dependence(arena, arena.reward_models.get(3), watched) is None
