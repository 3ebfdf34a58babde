# SPDX-License-Identifier: Apache-2.0
"""PandaLM's test set: an instruction, answers of two models, and each annotator's vote: 1, 2, or 0 for a tie."""

from __future__ import annotations

import json
import re

from data.formats.rows import alpaca
from data.formats.rows.fields import BadRow, read_text
from data.formats.rows.preference_metadata import read_source
from data.formats.shapes import PairShape, PromptShape, Vote

ANNOTATOR = re.compile(r"annotator_?\d+")
WINNERS = {0: None, 1: 0, 2: 1}


def matches(row: dict) -> bool:
    """Return whether a row is in this format."""
    return {"response1", "response2"} <= row.keys()


def read_prompt(row: dict) -> PromptShape:
    """Return the instruction with its input."""
    return alpaca.read_prompt(row)


def read_preference(row: dict) -> PairShape:
    """Return the two answers and the votes, each by the annotator that the column names."""
    models = _models(row.get("cmp_key"))
    first, second = ((read_text(row, f"response{number}"), models[number - 1]) for number in (1, 2))
    votes = tuple(_vote(row[key], key) for key in sorted(filter(ANNOTATOR.fullmatch, row)) if row[key] is not None)
    return PairShape(read_prompt(row), (first, second), votes, read_source(row))


def _vote(value: object, key: str) -> Vote:
    if isinstance(value, bool) or not isinstance(value, int) or value not in WINNERS:
        raise BadRow(f"{key!r} must be 1, 2 or 0 (a tie), not {json.dumps(value)[:40]}", key)
    return Vote(WINNERS[value], labeler=key)


def _models(key: object) -> tuple[str | None, str | None]:
    """Return the names of both models from `cmp_key`, such as bloom-7b_llama-7b."""
    names = key.split("_") if isinstance(key, str) else []
    return (names[0], names[1]) if len(names) == 2 and all(name.strip() for name in names) else (None, None)
