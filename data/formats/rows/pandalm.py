# SPDX-License-Identifier: Apache-2.0
"""PandaLM's test set: an instruction, answers of two models, and each annotator's vote: 1, 2, or 0 for a tie."""

from __future__ import annotations

import re

from data.formats.rows import alpaca
from data.formats.rows.conversation import read_answer
from data.formats.rows.fields import BadRow, Row, read_number
from data.formats.rows.preference_metadata import read_source
from data.formats.shapes import PairShape, PromptShape, Vote

NAME = "pandalm"
NEEDS = (frozenset({"response1", "response2"}),)
COLUMNS = {
    **dict.fromkeys(("instruction", "input"), "prompt"),
    **dict.fromkeys(("response1", "response2"), "answer"),
    "cmp_key": "model",
    **dict.fromkeys((f"annotator{number}" for number in range(1, 10)), "vote"),
}
ANNOTATOR = re.compile(r"annotator_?\d+")
WINNERS = {0: None, 1: 0, 2: 1}


def read_prompt(row: Row) -> PromptShape | list[PromptShape]:
    """Return the instruction with its input."""
    return alpaca.read_prompt(row)


def read_preference(row: Row) -> PairShape:
    """Return the two answers and the votes, each by the annotator that the column names."""
    models = _models(row.get("cmp_key"))
    first, second = ((read_answer(row, f"response{number}", blank=True), models[number - 1]) for number in (1, 2))
    keys = [] if not row.judged else sorted(filter(ANNOTATOR.fullmatch, row))
    votes = tuple(vote for key in keys if (vote := _vote(row, key)))
    return PairShape(alpaca.read_only_prompt(row), (first, second), votes, read_source(row))


def _vote(row: Row, key: str) -> Vote | None:
    value = read_number(row, key)
    if value is None:
        return None
    if value not in WINNERS:
        raise BadRow.of("row.votes", key, given=str(row[key])[:40])
    return Vote(WINNERS[int(value)], labeler=key)


def _models(key: object) -> tuple[str | None, str | None]:
    """Return the names of both models from `cmp_key`, such as bloom-7b_llama-7b."""
    names = key.split("_") if isinstance(key, str) else []
    return (names[0], names[1]) if len(names) == 2 and all(name.strip() for name in names) else (None, None)
