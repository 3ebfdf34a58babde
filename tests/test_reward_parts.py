"""Parts of the training prompts: by hash, without overlap, and independent of the split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import BadInput
from data.splits import split_of
from reward.parts import place_of, read_part, within

TEXTS = [f"Write note {number}." for number in range(4000)]


@given(st.text())
def test_a_prompt_belongs_to_exactly_one_of_two_halves_however_it_is_typed(text):
    assert within(text, "0-1")
    assert within(text, "0-0.5") != within(text, "0.5-1")
    assert place_of(text) == place_of(f"  {text}\n")


def test_a_quarter_is_a_quarter_of_every_split():
    for split in ("train", "validation", "test"):
        mine = [text for text in TEXTS if split_of(text) == split]
        share = sum(within(text, "0.25-0.5") for text in mine) / len(mine)
        # a binomial share of n = 400 at the least has deviation sqrt(3 / 16 / 400) = 0.022; four of them
        assert share == pytest.approx(0.25, abs=0.087)


@pytest.mark.parametrize("text", ["", "half", "0.5", "0.5-0.5", "0.7-0.2", "0-2", "-1-1", "0-1-2", "nan-1"])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(BadInput, match="is no part of the prompts"):
        read_part(text)
