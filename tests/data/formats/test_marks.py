# SPDX-License-Identifier: Apache-2.0
"""Ties, contradictions and "do not imitate" are what a row says they are."""

from __future__ import annotations

import pytest

from data.formats import read_row
from data.formats.rows.fields import BadRow
from data.formats.shapes import PairShape, PreferenceShape, Vote

ROW = {"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Green."}
HI = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "go away"}]


@pytest.mark.parametrize(
    "marks",
    [
        {"score_chosen": 8.0, "score_rejected": 8.0},
        {"chosen_score": "8", "rejected_score": 8},
        {"status": "tie"},
        {"margin": 0},
        {"margin": "0.0"},
    ],
)
def test_a_row_that_says_tie_is_a_tie(marks):
    shape = read_row(ROW | marks, "preferences")
    assert isinstance(shape, PairShape)
    assert shape.votes == (Vote(None),)


@pytest.mark.parametrize(
    ("marks", "reason"),
    [
        ({"score_chosen": 2, "score_rejected": 8}, "'chosen' has the lower score (2 < 8)"),
        ({"margin": -2}, "the margin -2 says that 'rejected' is better"),
        ({"margin": "much"}, "'margin' must be a number, not 'much'"),
        ({"weight": 0}, "'weight' is 0: the row is not to be learned from"),
        ({"weight": 0.5}, "'weight' is 0.5: rows count fully or not at all"),
        ({"train": False}, "'train' is false"),
        ({"status": "discarded"}, "'status' changes what the row means"),
    ],
)
def test_a_row_that_contradicts_itself_or_does_not_count_is_refused(marks, reason):
    with pytest.raises(BadRow) as caught:
        read_row(ROW | marks, "preferences")
    assert caught.value.reason.startswith(reason)
    assert isinstance(read_row(ROW | marks, "pairs"), PairShape)  # whose verdict labelers give


@pytest.mark.parametrize(
    "marks",
    [
        {"score_chosen": 9, "score_rejected": 8},
        {"weight": 1.0},
        {"train": "True"},
        {"status": "unchanged"},
        {"weight": 0.4, "comparison": "c1"},
    ],
)
def test_marks_that_agree_with_the_row_leave_it_a_preference(marks):
    assert read_row(ROW | marks, "preferences") == PreferenceShape(read_row(ROW, "prompts"), "Blue.", "Green.")


@pytest.mark.parametrize("margin", [3, 3.0, "3", "3.0"])
def test_a_margin_is_one_value_in_every_spelling(margin):
    assert read_row(ROW | {"margin": margin}, "preferences").margin == 3


@pytest.mark.parametrize("value", [True, "True", "true", 1, 1.0, "1", "1.0"])
def test_true_is_one_value_in_every_spelling(value):
    assert read_row({"prompt": "a", "completion": "b", "label": value}, "instructions").output == "b"
    battle = {"prompt": "a", "response_a": "b", "response_b": "c", "winner_model_a": value, "winner_tie": "False"}
    assert read_row(battle, "preferences").votes == (Vote(0),)
    assert read_row({"prompt": "a", "a_text": "b", "b_text": "c", "label": value}, "preferences").votes == (Vote(0),)
    panda = {"instruction": "a", "response1": "b", "response2": "c", "annotator1": value}
    assert read_row(panda, "preferences").votes == (Vote(0, labeler="annotator1"),)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "What is 2+2?", "completion": "5", "label": False},
        {"prompt": "What is 2+2?", "completion": "5", "label": "False"},
        {"messages": [HI[0], HI[1] | {"weight": 0}]},
        {"messages": [HI[0], HI[1] | {"train": False}]},
        {"conversations": [HI[0], HI[1] | {"weight": 0.0}]},
        {"prompt": "a", "completion": "b", "weight": 0},
        {"instruction": "a", "output": "b", "train": False},
    ],
)
def test_what_is_not_to_be_imitated_is_no_demonstration(row):
    with pytest.raises(BadRow, match="not (one )?to imitate|not to be learned from"):
        read_row(row, "instructions")


def test_an_earlier_answer_of_weight_0_is_only_context():
    messages = [HI[0], HI[1] | {"weight": 0}, HI[0], {"role": "assistant", "content": "Hello", "weight": 1}]
    assert read_row({"messages": messages}, "instructions").output == "Hello"


def test_one_labelled_completion_compares_nothing_and_the_way_out_is_named():
    row = {"prompt": "What is 2+2?", "completion": "5", "label": False}
    with pytest.raises(BadRow, match="--as completions"):
        read_row(row, "preferences")
    assert read_row(row, "completions").text == "5"


def test_an_empty_answer_is_a_worse_answer():
    assert read_row(ROW | {"rejected": ""}, "preferences").rejected == ""
    assert read_row({"prompt": "a", "response": "", "model": "m"}, "completions").text == ""
    battle = {"prompt": "a", "response_a": "", "response_b": "c", "winner": "model_b"}
    assert read_row(battle, "preferences").answers == (("", None), ("c", None))


def test_both_bad_is_no_preference():
    battle = {"prompt": "a", "response_a": "b", "response_b": "c", "winner": "both_bad"}
    assert read_row(battle, "preferences").votes == (Vote(None, both_bad=True),)
