# SPDX-License-Identifier: Apache-2.0
"""Problems of rows: counts by reason, each with a first line and an example, and the mapping that would read them.

Memory does not grow with the file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, TypedDict

from data.formats import MEANING, read_row
from data.formats.mapping import Mapped, apply_mapping
from data.formats.rows.fields import BadRow
from data.formats.rows.trl import PROMPTS
from data.texts import Translatable

MOST = 50
"""Most reasons with a count of their own."""
OTHERS = Translatable.of("row.other_reasons")
EXAMPLE = 120  # characters
SAMPLE, LARGEST = 40, 1 << 16
"""Bad rows that a mapping is tried on, and the characters of the largest of them."""
NUMBER, VALUE = re.compile(r"\d+"), re.compile(r", not .*|; it has .*", re.DOTALL)
WANTED = {
    "prompts": (("prompt",), ("messages",), ("conversations",)),
    "instructions": (("prompt", "completion"), ("instruction", "output"), ("messages",), ("conversations",)),
    "preferences": (("prompt", "chosen", "rejected"), ("instruction", "chosen", "rejected")),
    "pairs": (("prompt", "chosen", "rejected"), ("instruction", "chosen", "rejected")),
    "completions": (("prompt", "response"), ("instruction", "response")),
}
"""Rows of a kind -> sets of columns that make one."""
ANSWERS = ("response", "answer", "completion", "output", "reply")
SYNONYMS = {
    "prompt": (*PROMPTS, "q"),
    "completion": (*ANSWERS, "a"),
    "response": (*ANSWERS, "a"),
    "output": ANSWERS,
    "chosen": ("accepted", "preferred", "better", "positive"),
    "rejected": ("dispreferred", "worse", "negative"),
}
SIMILAR, CLOSE = 0.75, 0.03
"""Least likeness of a name and its target, and the difference of two names that are equally like it."""


class Problem(TypedDict):
    """A reason, its number of rows, the first file and line, and the beginning of that row."""

    reason: str
    rows: int
    file: str
    line: int
    example: str


class Problems:
    """Bad rows by reason."""

    def __init__(self) -> None:
        self._by_reason: dict[str, Problem] = {}
        self._sample: list[Mapping[str, Any]] = []

    def add(self, reason: str, file: str, line: int, row: Mapping[str, Any]) -> None:
        """Count a bad row."""
        key = NUMBER.sub("0", VALUE.sub("", reason))
        problem = self._by_reason.get(key)
        if problem is None and len(self._by_reason) >= MOST:
            key, reason = OTHERS, OTHERS
            problem = self._by_reason.get(key)
        if problem is None:
            example = str(dict(row))[:EXAMPLE] if row else ""
            problem = {"reason": reason, "rows": 0, "file": file, "line": line, "example": example}
            self._by_reason[key] = problem
        problem["rows"] += 1
        if row and len(self._sample) < SAMPLE and len(str(row)) <= LARGEST:
            self._sample.append(row)

    def report(self) -> list[Problem]:
        """Return the reasons, the most frequent first."""
        return sorted(self._by_reason.values(), key=lambda problem: -problem["rows"])

    def remedy(self, what: str, form: str) -> str:
        """Return the mapping of columns that makes most of the bad rows good, as a hint; empty if none does."""
        if not self._sample:
            return ""
        for mapping in _guesses(self._sample[0], what):
            good = sum(_reads(row, mapping, what, form) for row in self._sample)
            if 2 * good > len(self._sample):
                names = ",".join(f"{target}={column}" for target, column in mapping.items())
                return Translatable.of("row.hint", mapping=names)
        return ""


def _guesses(row: Mapping[str, Any], what: str) -> Iterator[dict[str, str]]:
    """Yield mappings of missing columns to columns of the row whose names resemble theirs, or mean the same."""
    for wanted in WANTED[what]:
        missing = [target for target in wanted if target not in row]
        choices = [_similar(target, row, what) for target in missing]
        if missing and all(len(names) == 1 for names in choices):
            for names in product(*choices):
                if len(set(names)) == len(names):
                    yield dict(zip(missing, names, strict=True))


def _similar(target: str, row: Mapping[str, Any], what: str) -> Sequence[str]:
    """Return the columns that may be the target: those named alike, or else its synonyms. More than one is no hint."""
    free = [key for key in row if not any(pattern.fullmatch(key) for pattern in MEANING[what])]
    likeness = {key: difflib.SequenceMatcher(None, key.casefold(), target).ratio() for key in free}
    best = max(likeness.values(), default=0)
    near = [key for key in free if likeness[key] >= max(SIMILAR, best - CLOSE)]
    return near or [key for key in free if key.casefold() in SYNONYMS.get(target, ())]


def _reads(row: Mapping[str, Any], mapping: Mapping[str, str], what: str, form: str) -> bool:
    try:
        read_row(apply_mapping(row, {target: Mapped((column,)) for target, column in mapping.items()}), what, form)
    except (BadRow, RecursionError):
        return False
    return True
