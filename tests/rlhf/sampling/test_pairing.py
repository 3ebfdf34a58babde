# SPDX-License-Identifier: Apache-2.0
"""Pairs of answers, and the choice of prompts with the fewest answers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from data import Store
from data.starter import SOURCE
from rlhf.sampling.pairing import choose_prompts, pair_indices
from tests.support.sampled_home import fill_sampled_home
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model("llama", tmp_path_factory.mktemp("base"), context=64)


@pytest.fixture
def two_policies(store: Store, base: Path) -> Store:
    return fill_sampled_home(store, base)


def test_disjoint_pairs_use_no_answer_twice_and_all_pairs_every_two() -> None:
    assert pair_indices(2, "disjoint") == [(0, 1)]
    assert pair_indices(4, "disjoint") == [(0, 1), (2, 3)]
    assert pair_indices(3, "disjoint") == [(0, 1)]
    assert pair_indices(3, "all") == [(0, 1), (0, 2), (1, 2)]


def test_prompts_of_the_starter_are_left_out_for_other_models_unless_there_are_no_others(store: Store) -> None:
    store.prompts.add_many({"text": f"Who is {name}?", "source": SOURCE} for name in range(60))
    assert len(choose_prompts(store, {"train": 5}, Counter(), 0, starter=False)) == 5
    own = store.prompts.add("Name a cat.", source="mine")
    assert [prompt.id for prompt in choose_prompts(store, {own.split: 5}, Counter(), 0, starter=False)] == [own.id]
    assert len(choose_prompts(store, {own.split: 30}, Counter(), 0)) == store.prompts.count(own.split) > 1


def test_least_answered_prompts_come_first_and_ties_are_drawn_by_seed(two_policies: Store) -> None:
    prompts = two_policies.prompts.all(split="train")
    answered = Counter({prompt.id: 1 for prompt in prompts[:-3]})
    first = choose_prompts(two_policies, {"train": 3}, answered, seed=0)
    assert {prompt.id for prompt in first} == {prompt.id for prompt in prompts[-3:]}
    orders = {
        tuple(prompt.id for prompt in choose_prompts(two_policies, {"train": 9}, Counter(), seed)) for seed in range(3)
    }
    assert len(orders) == 3
