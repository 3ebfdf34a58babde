# SPDX-License-Identifier: Apache-2.0
"""Completions and pairs: the content is the identity, so a second write adds nothing."""

from __future__ import annotations

import pytest
from sqlite_utils.utils import sqlite3

from data.errors import BadInput
from data.splits import SPLITS


@pytest.fixture
def policies(store):
    """Two policies, p1 and p2."""
    return [store.policies.add(name=name, kind="base", base="starter") for name in ("plain", "kind")]


def sampled(prompt, policy, **other):
    """A sampled completion as a sampler gives it."""
    about = {"text": "Thanks!", "token_ids": [5, 6, 1], "sampling": {"temperature": 1.0}, "seed": 3, "number": 0}
    return {"prompt_id": prompt.id, "policy_id": policy.id} | about | other


def test_a_completion_id_is_the_hash_of_everything_that_tells_two_apart(store, prompt, policies):
    other = store.prompts.add("Another prompt.", source="test")
    first = sampled(prompt, policies[0])
    different = [
        first,
        first | {"policy_id": policies[1].id},
        first | {"prompt_id": other.id},
        first | {"sampling": {"temperature": 0.7}},
        first | {"seed": 4},
        first | {"number": 1},
        first | {"token_ids": [5, 6]},
    ]
    ids = store.completions.add_many(different)
    assert len(set(ids)) == len(different) == store.completions.count()
    assert store.completions.add_many(different) == ids
    assert store.completions.add_many([first | {"text": "decoded in another way", "id": "claimed"}]) == ids[:1]
    assert store.completions.count() == len(different)


def test_the_same_text_of_two_policies_stays_two(store, prompt, policies):
    first, second = store.completions.add_many([sampled(prompt, policy) for policy in policies])
    assert first != second
    assert store.completions.get(first).text == store.completions.get(second).text
    assert [one.id for one in store.completions.of_policy(policies[0].id)] == [first]


def test_an_imported_completion_is_known_by_prompt_model_text_and_occurrence(store, prompt):
    row = {"prompt_id": prompt.id, "model_name": "gpt", "text": "Thanks!"}
    different = [row, row | {"model_name": "other"}, row | {"text": "Thank you!"}, row | {"number": 1}]
    ids = store.completions.add_many(different)
    assert len(set(ids)) == 4
    assert store.completions.add_many(different) == ids


def test_a_completion_comes_back_as_it_was(store, prompt, policies):
    run = store.runs.enqueue("sample", {}, "test")
    (id,) = store.completions.add_many([sampled(prompt, policies[0], ended=False)], run_id=run.id)
    result = store.completions.get(id)
    assert (result.token_ids, result.sampling, result.seed, result.ended) == ([5, 6, 1], {"temperature": 1.0}, 3, False)
    assert result.model_name == "plain"
    assert store.completions.of_run(run.id) == store.completions.of_prompt(prompt.id) == [result]
    assert store.completions.add_many([result]) == [id]
    assert store.completions.of_policy(policies[0].id, split=prompt.split) == [result]
    others = [split for split in SPLITS if split != prompt.split]
    assert [store.completions.of_policy(policies[0].id, split=split) for split in others] == [[], []]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"token_ids": None}, "token ids"),
        ({"policy_id": 9}, "no policy p9"),
        ({"policy_id": None}, "neither its policy nor its model"),
    ],
)
def test_a_completion_of_nobody_knows_where_is_refused(store, prompt, policies, wrong, message):
    with pytest.raises(BadInput, match=message):
        store.completions.add_many([sampled(prompt, policies[0], **wrong)])


def test_a_pair_is_one_in_either_order(store, prompt, policies):
    ids = store.completions.add_many([sampled(prompt, policies[0], number=n, text=f"t{n}") for n in range(2)])
    pair = store.pairs.add(prompt.id, *ids)
    assert store.pairs.add(prompt.id, *reversed(ids)) == pair == store.pairs.get(pair.id)
    assert (pair.first_id, pair.second_id) == tuple(sorted(ids))
    assert store.pairs.count() == store.pairs.waiting_count() == 1


def test_pairs_of_equal_text_are_not_shown(store, prompt, policies):
    ids = store.completions.add_many([sampled(prompt, policy) for policy in policies])
    assert not store.pairs.add(prompt.id, *ids).shown
    assert store.pairs.waiting_count() == 0


def test_a_pair_is_of_two_completions_of_one_prompt(store, prompt, policies):
    other = store.prompts.add("Another prompt.", source="test")
    mine, theirs = store.completions.add_many([sampled(prompt, policies[0]), sampled(other, policies[0])])
    for a, b in ((mine, theirs), (mine, mine), (mine, "unknown")):
        with pytest.raises(BadInput):
            store.pairs.add(prompt.id, a, b)
    first, second = sorted((mine, theirs))
    row = {"prompt_id": prompt.id, "first_id": first, "second_id": second, "created_at": ""}
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        store.insert("pairs", row)


def test_many_pairs_are_added_in_one_commit_and_all_or_none(store, prompt, policies):
    a, b, c = store.completions.add_many([sampled(prompt, policies[0], number=n, text=f"t{n}") for n in range(3)])
    with pytest.raises(BadInput, match="'unknown'"):
        store.pairs.add_many([(prompt.id, a, b), (prompt.id, a, "unknown")])
    assert store.pairs.count() == 0
    assert store.pairs.add_many([(prompt.id, a, b), (prompt.id, c, a), (prompt.id, b, a)], purpose="compare") == [
        1,
        2,
        1,
    ]
    assert [pair.purpose for pair in store.pairs.all()] == ["compare", "compare"]


def test_a_pair_waits_until_somebody_judged_it(store, add_pairs):
    first, _ = add_pairs(2)
    labeler = store.accounts.add("Mina", "labeler")
    about = {"pair_id": first.id, "labeler_id": labeler.id, "left_id": first.first_id, "right_id": first.second_id}
    store.insert("assignments", {"id": "a", **about, "expires_at": "", "created_at": ""})
    assert store.pairs.waiting_count() == 2
    store.comparisons.record(id="e", assignment_id="a", verdict="tie", source="person", **about)
    assert store.pairs.waiting_count() == 1
    assert [pair.id for pair in store.pairs.all("train")] == [1, 2]
