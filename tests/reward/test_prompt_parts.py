# SPDX-License-Identifier: Apache-2.0
"""Parts of the training prompts: by hash, without overlap, and independent of the split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import BadInput
from data.run_context import RunContext
from data.splits import split_of
from reward.prompt_parts import is_in_part, parse_part, position_of
from reward.settings import RewardSettings
from reward.training.rows import run_rows
from rlhf.runs.preflight import check_labels

TEXTS = [f"Write note {number}." for number in range(4000)]


@given(st.text())
def test_a_prompt_belongs_to_exactly_one_of_two_halves_however_it_is_typed(text):
    assert is_in_part(text, "0-1")
    assert is_in_part(text, "0-0.5") != is_in_part(text, "0.5-1")
    assert position_of(text) == position_of(f"  {text}\n")


def test_a_quarter_is_a_quarter_of_every_split():
    for split in ("train", "validation", "test"):
        mine = [text for text in TEXTS if split_of(text) == split]
        share = sum(is_in_part(text, "0.25-0.5") for text in mine) / len(mine)
        # a binomial share of n = 400 at the least has deviation sqrt(3 / 16 / 400) = 0.022; four of them
        assert share == pytest.approx(0.25, abs=0.087)


@pytest.mark.parametrize("text", ["", "half", "0.5", "0.5-0.5", "0.7-0.2", "0-2", "-1-1", "0-1-2", "nan-1"])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(BadInput, match="is not two limits between 0 and 1"):
        parse_part(text)


def preference(number: int, text: str) -> dict:
    """A row of a snapshot: two answers to the prompt, the left one better."""
    answers = {
        "a_id": f"a{number}",
        "b_id": f"b{number}",
        "a_text": "Dear Mina",
        "b_text": "no",
        "a_token_ids": None,
        "b_token_ids": None,
    }
    said = {
        "label": 1.0,
        "margin": 2,
        "weight": 1.0,
        "source": "person",
        "labeler_id": 1,
        "labeler": "lea",
        "project": "p",
        "guideline_version": 1,
    }
    return {
        "comparison_id": f"c{number}",
        "prompt_id": number,
        "prompt": text,
        "messages": None,
        "split": split_of(text),
        **answers,
        **said,
    }


def test_a_run_trains_on_its_part_and_is_measured_on_all_test_rows(store):
    frozen = [preference(number, text) for number, text in enumerate(TEXTS[:60])]
    snapshot = store.snapshots.freeze("preferences", frozen, {})
    run = store.runs.get(store.runs.enqueue("reward", {}, "test").id)
    _, training, held_out = run_rows(RunContext(store, run), RewardSettings(snapshot=snapshot.public, part="0.5-1"))
    assert {row.prompt for row in training} == {
        text for text in TEXTS[:60] if split_of(text) == "train" and position_of(text) >= 0.5
    }
    assert {row.prompt for row in held_out.test} == {text for text in TEXTS[:60] if split_of(text) == "test"}


def test_a_part_without_comparisons_and_a_text_that_is_no_part_are_refused(store):
    snapshot = store.snapshots.freeze(
        "preferences", [preference(0, next(text for text in TEXTS if split_of(text) == "train"))], {}
    )
    context = RunContext(store, store.runs.get(store.runs.enqueue("reward", {}, "test").id))
    with pytest.raises(BadInput, match="of a training prompt of the part 0-0.000001"):
        run_rows(context, RewardSettings(snapshot=snapshot.public, part="0-0.000001"))
    with pytest.raises(BadInput, match="part='half' is not two limits"):
        check_labels(store, RewardSettings(snapshot=snapshot.public, part="half"))
