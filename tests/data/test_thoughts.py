# SPDX-License-Identifier: Apache-2.0
"""Thoughts and answers, apart and together."""

from __future__ import annotations

import pytest

from data.thoughts import join_thoughts, split_thoughts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hi.", ("", "Hi.")),
        ("<think>\nLet me see.\n</think>\n\nHi.", ("Let me see.", "Hi.")),
        ("\n<think>a</think>b", ("a", "b")),
        ("<think>\n\n</think>\n\nHi.", ("", "Hi.")),
        ("<think>\nnever closed", ("", "<think>\nnever closed")),
        ("He said <think> and </think>.", ("", "He said <think> and </think>.")),
        ("", ("", "")),
    ],
)
def test_a_leading_block_of_thoughts_is_taken_off(text, parts):
    assert split_thoughts(text) == parts
    assert split_thoughts(join_thoughts(*parts)) == parts
