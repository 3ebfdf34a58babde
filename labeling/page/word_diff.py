# SPDX-License-Identifier: Apache-2.0
"""Word differences between two answers, shown on request."""

from __future__ import annotations

import re
from difflib import Match, SequenceMatcher
from html import escape
from itertools import accumulate

from labeling.page.budget import Budget

STEPS = 500_000
"""Pairs of equal words that the comparison of two texts may visit: about 0.1 seconds of one core."""
LONGEST = 20_000
"""Characters of both texts together up to which words are compared; longer texts are compared by line."""


def mark_differences(left: str, right: str, steps: int = STEPS) -> tuple[str, str]:
    """Return both texts as HTML, unchanged except that parts which the other one lacks are in <mark>.

    Raises TooComplex if the comparison visits more than `steps` pairs of equal words.
    """
    unit = r"\S+\s*|\s+" if len(left) + len(right) <= LONGEST else r"[^\n]*\n|[^\n]+"
    words = [re.findall(unit, text) for text in (left, right)]
    keys = [[word.rstrip() for word in side] for side in words]
    # autojunk treats frequent words as noise, and long texts then look more different than they are.
    equal = _BoundedMatcher(keys[0], keys[1], steps).get_matching_blocks()
    return _html(words[0], [(block.a, block.size) for block in equal]), _html(
        words[1], [(block.b, block.size) for block in equal]
    )


class _BoundedMatcher(SequenceMatcher):
    """A matcher that spends a step for each pair of equal words before it visits them."""

    def __init__(self, left: list[str], right: list[str], steps: int) -> None:
        super().__init__(None, left, right, autojunk=False)
        self.budget = Budget(steps)
        places: dict[str, int] = {}
        for word in right:
            places[word] = places.get(word, 0) + 1
        self.visits = [0, *accumulate(1 + places.get(word, 0) for word in left)]

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        """Return the longest common part of both ranges."""
        end = len(self.visits) - 1 if ahi is None else ahi
        self.budget.spend(self.visits[end] - self.visits[alo])
        return super().find_longest_match(alo, ahi, blo, bhi)


def _html(words: list[str], equal: list[tuple[int, int]]) -> str:
    parts, at = [], 0
    for start, size in equal:
        # Line by line, so that no empty line is marked.
        parts += [_mark(line) for line in "".join(words[at:start]).splitlines(keepends=True)]
        parts.append(escape("".join(words[start : start + size])))
        at = start + size
    return "".join(parts)


def _mark(line: str) -> str:
    trimmed = line.rstrip()
    return (f"<mark>{escape(trimmed)}</mark>" if trimmed else "") + escape(line[len(trimmed) :])
