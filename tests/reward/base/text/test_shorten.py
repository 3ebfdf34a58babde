# SPDX-License-Identifier: Apache-2.0
"""Prompts are shortened by their content: marks, system message and last turns stay."""

from __future__ import annotations

import pytest

from reward.base.text.shorten import shorten_prompt
from tests.reward.base.text.chat_forms import FORMS, GEMMA, make_encoding, read

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "First question"},
    {"role": "assistant", "content": "First answer"},
    {"role": "user", "content": "Second question"},
    {"role": "assistant", "content": "Second answer"},
    {"role": "user", "content": "Last question 0123456789"},
]


@pytest.fixture
def encoding():
    return make_encoding(FORMS["ChatML"])


def test_a_prompt_that_fits_is_not_changed(encoding):
    ids = encoding.encode_template(TURNS)
    assert shorten_prompt(encoding, TURNS, len(ids)) == ids


@pytest.mark.parametrize("dropped", [2, 4])
def test_the_oldest_turns_go_first_and_the_system_message_stays(encoding, dropped):
    expected = encoding.encode_template([TURNS[0], *TURNS[1 + dropped :]])
    assert shorten_prompt(encoding, TURNS, len(expected)) == expected


def test_then_the_last_turn_loses_the_beginning_of_its_text(encoding):
    expected = encoding.encode_template([TURNS[0], TURNS[-1] | {"content": "0123456789"}])
    assert shorten_prompt(encoding, TURNS, len(expected)) == expected
    assert read(encoding, expected).endswith("user\n0123456789<|im_end|>\n<|im_start|>assistant\n")


def test_the_start_token_and_the_marks_stay():
    encoding = make_encoding(FORMS["Gemma"])
    ids = shorten_prompt(encoding, "0123456789" * 9, len(encoding.encode_template("")) + 5)
    assert read(encoding, ids) == "<s><start_of_turn>user\n56789<end_of_turn>\n<start_of_turn>model\n"


def test_turns_that_the_template_refuses_to_begin_with_are_left_out_as_well():
    alternating = "{% if messages[0].role != 'user' %}{{ raise_exception('user first') }}{% endif %}" + GEMMA
    encoding = make_encoding(FORMS["Gemma"]._replace(template=alternating))
    expected = encoding.encode_template(TURNS[3:])
    assert shorten_prompt(encoding, TURNS[1:], len(expected) + 3) == expected


def test_a_prompt_whose_marks_alone_are_too_many_cannot_be_shortened(encoding):
    assert shorten_prompt(encoding, TURNS, 5) is None
