# SPDX-License-Identifier: Apache-2.0
"""Prompts, instructions, completions, pairs, snapshots: identity is content, so writing twice is writing once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlite_utils.utils import sqlite3

from data.errors import BadInput
from data.ids import parse_id, public_id
from data.splits import SPLITS, normalise, split_of
from data.tables.prompts import conversation_text


@pytest.fixture
def prompt(store):
    """A prompt."""
    return store.prompts.add("Write a thank-you note.", source="test")


@pytest.fixture
def policies(store):
    """Two policies, p1 and p2."""
    return [store.policies.add(name=name, kind="base", base="starter") for name in ("plain", "kind")]


def sampled(prompt, policy, **other):
    """A sampled completion as a sampler gives it."""
    about = {"text": "Thanks!", "token_ids": [5, 6, 1], "sampling": {"temperature": 1.0}, "seed": 3, "number": 0}
    return {"prompt_id": prompt.id, "policy_id": policy.id} | about | other


def test_a_prompt_is_found_again_by_its_normalised_text(store, prompt):
    assert store.prompts.add("  write a THANK-YOU\nnote. ", source="elsewhere") == prompt
    assert store.prompts.find("WRITE a thank-you note.") == prompt
    assert store.prompts.count() == 1


def test_importing_prompts_twice_adds_nothing_the_second_time(store):
    rows = [{"text": f"Prompt {number}", "source": "file.jsonl", "facts": {"n": number}} for number in range(20)]
    assert store.prompts.add_many(rows + rows[:3]) == (20, 3)
    before = store.prompts.all()
    assert store.prompts.add_many(rows) == (0, 20)
    assert store.prompts.all() == before
    assert before[7].facts == {"n": 7}


def test_a_bad_prompt_among_good_ones_leaves_the_store_as_it_was(store):
    with pytest.raises(BadInput, match="is empty"):
        store.prompts.add_many([{"text": "good", "source": "t"}, {"text": " \n", "source": "t"}])
    assert store.prompts.count() == 0


def test_prompts_are_listed_by_what_they_are(store):
    store.prompts.add_many([{"text": f"t{n}", "source": "ab"[n % 2], "family": "xy"[n % 2]} for n in range(40)])
    assert sum(store.prompts.count(split) for split in SPLITS) == store.prompts.count() == 40
    tests = store.prompts.all(split="test")
    assert tests
    assert all(split_of(prompt.text) == "test" for prompt in tests)
    assert {prompt.source for prompt in store.prompts.all(family="x")} == {"a"}
    assert [prompt.text for prompt in store.prompts.all(source="b", limit=2)] == ["t1", "t3"]


def test_a_conversation_keeps_its_turns(store):
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
    ]
    text = conversation_text(turns)
    assert text == "user: Hi\n\nassistant: Hello\n\nuser: Bye"
    assert store.prompts.add(text, messages=turns, source="t").messages == turns
    assert conversation_text(turns[:1]) == "Hi"


@given(st.text())
@example("ß\u0301")  # sharp s and an accent: folding makes two letters, the second of which takes the accent
@example("\u1f82\u0301")
def test_case_and_white_space_make_no_other_prompt(text):
    assert normalise(f"  {text}\n\t") == normalise(text)
    assert normalise(normalise(text)) == normalise(text)
    assert split_of(normalise(text)) == split_of(text)


def test_splits_are_fixed_for_ever():
    # The first 8 hex digits of each sha256, as a number modulo 100.
    assert split_of("Hello") == "train"  # 2cf24dba = 754077114: 14
    assert split_of("add two  and two") == "validation"  # e2e799af = 3806828975: 75
    assert split_of("name a COLOUR\n") == "validation"  # 86b21efc = 2259820284: 84
    assert split_of("red") == "test"  # b1f51a51 = 2985630289: 89
    assert [split_of(f"prompt {number}") for number in range(12)].count("train") > 6
    counts = [sum(split_of(f"prompt {number}") == split for number in range(4000)) for split in SPLITS]
    # 3000, 400 and 600 are expected; four standard deviations are 110, 76 and 90.
    assert abs(counts[0] - 3000) < 110
    assert abs(counts[1] - 400) < 76
    assert abs(counts[2] - 600) < 90


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
    found = store.completions.get(id)
    assert (found.token_ids, found.sampling, found.seed, found.ended) == ([5, 6, 1], {"temperature": 1.0}, 3, False)
    assert found.model_name == "plain"
    assert store.completions.of_run(run.id) == store.completions.of_prompt(prompt.id) == [found]
    assert store.completions.add_many([found]) == [id]
    assert store.completions.of_policy(policies[0].id, split=prompt.split) == [found]
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


def test_an_instruction_belongs_to_the_prompt_that_it_and_its_input_make(store):
    row = store.instructions.add(
        "Make it polite.", "Please go.", input="go", source="t", defects=["curt"], family="rewrite"
    )
    assert store.prompts.get(row.prompt_id).text == "Make it polite.\n\ngo"
    assert store.prompts.get(row.prompt_id).family == "rewrite"
    assert row.defects == ["curt"]
    assert row.split == split_of("Make it polite.\n\ngo")
    assert store.instructions.get(row.id) == store.instructions.all()[0] == row


def test_importing_instructions_twice_adds_nothing_the_second_time(store):
    rows = [{"instruction": "Add 1.", "output": str(n), "source": "t"} for n in range(5)]
    assert store.instructions.add_many(rows + rows) == (5, 5)
    assert store.instructions.add_many(rows) == (0, 5)
    assert (store.instructions.count(), store.prompts.count()) == (5, 1)
    with pytest.raises(BadInput, match="output"):
        store.instructions.add_many(
            [{"instruction": "x", "output": "y", "source": "t"}, {"instruction": "z", "output": " ", "source": "t"}]
        )
    assert store.instructions.count() == 5


def test_the_same_rows_are_the_same_snapshot(store):
    rows = [{"text": "a", "weight": 1.0}, {"text": "b", "weight": 0.5}]
    first = store.snapshots.freeze("preferences", rows, {"source": "person"}, name="mine")
    assert store.snapshots.freeze("preferences", [dict(reversed(row.items())) for row in rows], {}) == first
    assert store.snapshots.rows(first.public) == store.snapshots.rows(first.id) == rows
    assert first.row_count == 2
    reweighted = [rows[0], rows[1] | {"weight": 0.4}]
    assert store.snapshots.freeze("preferences", reweighted, {}).id != first.id
    assert store.snapshots.freeze("text", rows, {}).id != first.id
    assert [one.public for one in store.snapshots.all()] == ["s1", "s2", "s3"]


def test_a_snapshot_stays_frozen(store):
    store.snapshots.freeze("text", [{"text": "a"}], {})
    for statement in ("UPDATE snapshot_rows SET row = '{}'", "DELETE FROM snapshot_rows", "DELETE FROM snapshots"):
        with pytest.raises(sqlite3.IntegrityError):
            store.execute(statement)


def test_records_are_frozen(store, prompt):
    with pytest.raises(AttributeError):
        prompt.text = "other"
    assert replace(prompt, text="other") != prompt


def test_public_ids_read_back_and_others_are_quoted():
    assert public_id("p", 4) == "p4"
    assert [parse_id(text, "run") for text in ("run17", "17", 17, " run17 ")] == [17] * 4
    for wrong in ("r4", "p", "p4x", "-4", ""):
        with pytest.raises(BadInput, match="is not the id of a policy. Give an id such as p4") as refused:
            parse_id(wrong, "p")
        assert repr(wrong) in str(refused.value)


@pytest.mark.parametrize(
    "noun",
    ["prompts", "completions", "pairs", "instructions", "policies", "reward_models", "runs", "snapshots", "accounts"],
)
def test_what_is_not_there_is_bad_input(store, noun):
    with pytest.raises(BadInput, match="there is no"):
        getattr(store, noun).get(99)
