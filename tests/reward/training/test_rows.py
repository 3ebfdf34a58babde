# SPDX-License-Identifier: Apache-2.0
"""From comparisons to batch elements: ids, cuts at the context, answers that comparisons connect, batches."""

from __future__ import annotations

from itertools import combinations

import pytest

from data.views.preferences import PreferenceRow
from reward.base.frozen_base import Base
from reward.report.left_out import EQUAL, EQUAL_AFTER_CUT, TOO_LONG
from reward.training.fit import groups_per_step
from reward.training.packing import Planner
from reward.training.prompt_groups import grade, group_by_prompt
from reward.training.rows import EncodedComparison, RowEncoder
from reward.training.trainer import collator
from tests.support.tiny_model import make_tiny_model

CONTEXT = 32
SEPARATE = Planner(pad_id=7, packs=False, per_token=1, per_pair=1)


def row(a="a", b="b", *, prompt_id=1, prompt="Name two animals.", label=1.0, margin=2, weight=1.0):
    about = {
        "comparison_id": f"{prompt_id}{a}{b}",
        "source": "person",
        "labeler_id": 1,
        "labeler": "mina",
        "project": "p",
        "guideline_version": 1,
    }
    ids = {"a_id": a, "b_id": b, "a_text": a, "b_text": b, "a_token_ids": None, "b_token_ids": None}
    return PreferenceRow(
        prompt_id=prompt_id,
        prompt=prompt,
        messages=None,
        split="train",
        label=label,
        margin=margin,
        weight=weight,
        **about,
        **ids,
    )


def encoded(a, b, **about):
    return EncodedComparison(row(a, b, **about), [5, 6], [ord(a), 1], [ord(b), 1])


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return Base.load(make_tiny_model("llama", tmp_path_factory.mktemp("base"), context=CONTEXT))


@pytest.fixture
def encoder(base):
    return RowEncoder(base)


def test_what_fits_is_not_cut(encoder, base):
    (each,) = encoder.encode([row("yes", "no", prompt="Hi")])
    assert (each.prompt, each.a) == (base.encode_prompt("Hi"), base.encode_completion("yes"))
    assert encoder.truncated == {"comparisons": 0, "prompts": 0, "answers": 0}


def test_a_long_prompt_loses_its_beginning_as_much_as_its_longest_answer_needs(encoder, base):
    rows = [row("yes", "no", prompt="0123456789" * 5), row("yes", "x y z x y z", prompt="0123456789" * 5)]
    result = encoder.encode(rows)
    longest = len(base.encode_completion("x y z x y z"))
    kept = CONTEXT - longest - len(base.encoding.encode_template(""))  # this tokenizer writes one token a digit
    assert [each.prompt for each in result] == [base.encode_prompt(("0123456789" * 5)[-kept:])] * 2
    assert result[1].b == base.encode_completion("x y z x y z")
    assert encoder.truncated == {"comparisons": 2, "prompts": 1, "answers": 0}


def test_a_long_answer_loses_its_end_but_not_its_end_token_once_the_prompt_is_down_to_a_quarter(encoder, base):
    (each,) = encoder.encode([row("0123456789" * 5, "no", prompt="abcdefghij" * 5)])
    whole = base.encode_completion("0123456789" * 5)
    fitting = (base.encoding.encode_template(("abcdefghij" * 5)[-length:]) for length in range(50, 0, -1))
    assert each.prompt == next(ids for ids in fitting if len(ids) <= CONTEXT // 4)
    assert each.a == [*whole[: CONTEXT - len(each.prompt) - 1], base.encoding.eos_id]
    assert each.b == base.encode_completion("no")
    assert encoder.truncated == {"comparisons": 1, "prompts": 1, "answers": 1}


def test_comparisons_of_equal_answers_are_not_trained_on_and_are_counted(encoder, base):
    long = "0123456789" * 5
    rows = [row("yes", "no"), row("yes", "yes"), row(long + "a", long + "b", prompt_id=2)]
    assert [(each.row.a_text, each.row.b_text) for each in encoder.encode_training(rows)] == [("yes", "no")]
    assert encoder.left_out == {EQUAL: 1, EQUAL_AFTER_CUT: 1, TOO_LONG: 0}
    assert len(RowEncoder(base).encode(rows)) == 3  # a test of the model counts them


def test_comparisons_whose_prompt_the_template_refuses_are_left_out_under_its_reason(tmp_path):
    template = "{% if 'X' in messages[0].content %}{{ raise_exception('no X') }}{% endif %}{{ messages[0].content }}"
    encoder = RowEncoder(Base.load(make_tiny_model("llama", tmp_path), chat_template=template))
    rows = [row(prompt_id=1, prompt="X"), row("yes", "no", prompt_id=1, prompt="X"), row(prompt_id=2, prompt="Hi")]
    assert [each.row.prompt for each in encoder.encode(rows)] == ["Hi"]
    assert +encoder.left_out == {"refused by the chat template: no X": 2}


def test_beside_a_short_prompt_an_answer_may_take_the_rest(encoder, base):
    (each,) = encoder.encode([row("0123456789" * 5, "no", prompt="a")])
    prompt = base.encode_prompt("a")
    assert len(prompt) < CONTEXT // 4
    assert (each.prompt, len(each.a)) == (prompt, CONTEXT - len(prompt))


def test_ids_of_another_tokenizer_are_replaced_by_the_text_s(encoder, base):
    ids = base.encode_completion("Sure.")
    assert encoder.answer(ids, "Sure.") == ids
    assert encoder.answer([5, 6, 7], "Sure.") == ids
    assert encoder.answer([10**6], "Sure.") == ids
    assert encoder.answer(None, "Sure.") == ids


def test_a_ranking_of_four_is_one_element_that_holds_each_answer_once():
    (element,) = group_by_prompt([encoded(a, b) for a, b in combinations("wxyz", 2)])
    assert element.answers == [[ord(name), 1] for name in "wxyz"]
    assert list(zip(element.first, element.second, strict=True)) == list(combinations(range(4), 2))
    assert element.tokens == 2 + 4 * 2


def test_only_answers_that_comparisons_connect_share_an_element():
    rows = [encoded("w", "x"), encoded("y", "z"), encoded("w", "x", prompt_id=2), encoded("v", "y"), encoded("x", "w")]
    assert [len(element.answers) for element in group_by_prompt(rows)] == [2, 3, 2]
    assert [element.grade for element in group_by_prompt(rows)] == [[2, 2], [2, 2], [2]]
    assert (group_by_prompt(rows)[0].first, group_by_prompt(rows)[0].second) == ([0, 1], [1, 0])


def test_elements_that_a_later_comparison_joins_are_one():
    (element,) = group_by_prompt([encoded("w", "x"), encoded("y", "z"), encoded("x", "z")])
    assert len(element.answers) == 4


def test_grades_are_signed_margins_and_zero_for_a_tie():
    assert [grade(1.0, 3), grade(0.0, 1), grade(0.5, 0)] == [3, -1, 0]


def test_weights_average_one_over_the_comparisons():
    result = group_by_prompt(
        [encoded("w", "x", weight=3.0), encoded("w", "y", weight=1.0), encoded("w", "x", prompt_id=2, weight=0.5)]
    )
    assert [element.weight for element in result] == [[2.0, pytest.approx(2 / 3)], [pytest.approx(1 / 3)]]


def test_a_step_holds_as_many_rankings_as_make_its_pairs():
    rankings = group_by_prompt(
        [encoded(a, b, prompt_id=number) for number in range(9) for a, b in combinations("wxyz", 2)]
    )
    assert [groups_per_step(pairs, rankings) for pairs in (1, 12, 16)] == [1, 2, 3]


def test_a_batch_finds_its_answers_even_where_the_pad_id_is_text():
    one = {"prompt": [7], "answers": [[7], [5, 6]], "first": [0], "second": [1], "grade": [2], "weight": [1.5]}
    two = {
        "prompt": [8],
        "answers": [[9], [7], [4]],
        "first": [2, 0],
        "second": [1, 1],
        "grade": [0, -1],
        "weight": [1.0, 0.5],
    }
    batch = collator(SEPARATE)([one, two])
    assert batch["input_ids"].tolist() == [[7, 7, 7], [7, 5, 6], [8, 9, 7], [8, 7, 7], [8, 4, 7]]
    assert batch["ends"].tolist() == [[0, 1, 2, 3, 4], [1, 2, 1, 1, 1]]
    assert (batch["first"].tolist(), batch["second"].tolist()) == ([0, 4, 2], [1, 3, 3])
    assert (batch["grade"].tolist(), batch["weight"].tolist()) == ([2, 0, -1], [1.5, 1.0, 0.5])
    assert batch["group"].tolist() == [0, 1, 1]
