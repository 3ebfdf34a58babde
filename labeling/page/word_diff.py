# SPDX-License-Identifier: Apache-2.0
"""Word differences between two answers, shown on request."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from html import escape

LONGEST = 20_000
"""Characters of both texts together up to which words are compared; longer texts are compared by line."""


def mark_differences(left: str, right: str) -> tuple[str, str]:
    """Return both texts as HTML, unchanged except that parts which the other one lacks are in <mark>."""
    unit = r"\S+\s*|\s+" if len(left) + len(right) <= LONGEST else r"[^\n]*\n|[^\n]+"
    words = [re.findall(unit, text) for text in (left, right)]
    keys = [[word.rstrip() for word in side] for side in words]
    # autojunk treats frequent words as noise, and long texts then look more different than they are.
    equal = SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_matching_blocks()
    return _html(words[0], [(block.a, block.size) for block in equal]), _html(
        words[1], [(block.b, block.size) for block in equal]
    )


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
