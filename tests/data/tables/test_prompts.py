# SPDX-License-Identifier: Apache-2.0
"""Prompts, instructions and snapshots: the content is the identity, so a second write adds nothing."""

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


def test_a_prompt_is_found_again_by_exactly_its_text_and_a_near_one_is_another_of_its_split(store, prompt):
    assert store.prompts.add(prompt.text, source="elsewhere") == store.prompts.find(prompt.text) == prompt
    near = store.prompts.add("  write a THANK-YOU\nnote. ", source="elsewhere")
    assert (near.id != prompt.id, near.split) == (True, prompt.split)
    assert store.prompts.find("WRITE a thank-you note.") is None
    assert store.prompts.count() == 2


def test_a_conversation_and_its_text_are_two_prompts_with_their_own_instruction_rows(store):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    text = conversation_text(turns)
    plain = store.instructions.add(text, "Hello", source="t")
    spoken = store.instructions.add(text, "Hello", source="t", messages=turns)
    assert plain.id != spoken.id
    assert store.prompts.get(spoken.prompt_id).messages == turns
    assert store.prompts.get(plain.prompt_id) == store.prompts.find(text)
    assert store.prompts.get(plain.prompt_id).split == store.prompts.get(spoken.prompt_id).split


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
def test_case_and_white_space_make_no_other_split(text):
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
    assert [snapshot.public for snapshot in store.snapshots.all()] == ["s1", "s2", "s3"]


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


def test_prompts_are_listed_up_to_a_number(store):
    ids = [store.prompts.add(f"Write note {number}.", source="test").id for number in range(4)]
    assert [prompt.id for prompt in store.prompts.all(last=ids[1])] == ids[:2]
    assert [prompt.id for prompt in store.prompts.all(last=0)] == ids
    assert [prompt.id for prompt in store.prompts.all(last=ids[2], limit=1)] == ids[:1]
