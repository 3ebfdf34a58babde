"""PandaLM's test set: an instruction, two models' answers, and what each of several annotators said: 1, 2, or 0 for a tie."""

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
    """Whether a row is in this format."""
    return {"response1", "response2"} <= row.keys()


def read_prompt(row: dict) -> PromptShape:
    """The instruction with its input."""
    return alpaca.read_prompt(row)


def read_preference(row: dict) -> PairShape:
    """The two answers and the votes, each by the annotator whom the column names."""
    models = _models(row.get("cmp_key"))
    answers = tuple((read_text(row, f"response{number}"), models[number - 1]) for number in (1, 2))
    votes = tuple(_vote(row[key], key) for key in sorted(filter(ANNOTATOR.fullmatch, row)) if row[key] is not None)
    return PairShape(read_prompt(row), answers, votes, read_source(row))


def _vote(said: object, key: str) -> Vote:
    if isinstance(said, bool) or not isinstance(said, int) or said not in WINNERS:
        raise BadRow(f"{key!r} must be 1, 2 or 0 (a tie), not {json.dumps(said)[:40]}", key)
    return Vote(WINNERS[said], labeler=key)


def _models(key: object) -> tuple[str | None, str | None]:
    """`cmp_key` names both models: bloom-7b_llama-7b."""
    names = key.split("_") if isinstance(key, str) else []
    return (names[0], names[1]) if len(names) == 2 and all(name.strip() for name in names) else (None, None)
