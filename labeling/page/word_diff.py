"""What two answers do not share, word by word, for a labeler who asks to see it."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from html import escape

LONGEST = 20_000
"""Characters of both texts together up to which words are compared; beyond it lines are."""


def mark_differences(left: str, right: str) -> tuple[str, str]:
    """Both texts as HTML, with what the other one lacks in <mark>; each with its own words, all of them, in their order."""
    unit = r"\S+\s*|\s+" if len(left) + len(right) <= LONGEST else r"[^\n]*\n|[^\n]+"
    words = [re.findall(unit, text) for text in (left, right)]
    keys = [[word.rstrip() for word in side] for side in words]
    # autojunk would treat frequent words as noise, so that long texts looked more different than they are.
    equal = SequenceMatcher(None, *keys, autojunk=False).get_matching_blocks()
    return _html(words[0], [(block.a, block.size) for block in equal]), _html(
        words[1], [(block.b, block.size) for block in equal]
    )


def _html(words: list[str], equal: list[tuple[int, int]]) -> str:
    made, at = [], 0
    for start, size in equal:
        # Line by line, so that no empty line is marked.
        made += [_mark(line) for line in "".join(words[at:start]).splitlines(keepends=True)]
        made.append(escape("".join(words[start : start + size])))
        at = start + size
    return "".join(made)


def _mark(line: str) -> str:
    trimmed = line.rstrip()
    return (f"<mark>{escape(trimmed)}</mark>" if trimmed else "") + escape(line[len(trimmed) :])
