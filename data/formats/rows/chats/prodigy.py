# SPDX-License-Identifier: Apache-2.0
"""Prodigy's choices: a task with `options`, the ids of those that were accepted, and `answer`.

An accepted option is better than each other one. A task that the annotator rejected or ignored has no vote.
"""

from __future__ import annotations

from itertools import combinations

from data.formats.rows.chats.sides import read_side_prompt
from data.formats.rows.fields import BadRow, Row, check_text, read_nested
from data.formats.rows.preference_metadata import read_labeler
from data.formats.shapes import CompletionShape, PairShape, PromptShape, Vote
from data.formats.tracked_row import is_blank

NAME = "prodigy"
NEEDS = (frozenset({"options", "accept"}), frozenset({"options", "accept", "answer"}))
COLUMNS = {
    "options": "answers",
    "accept": "vote",
    "answer": "mark",
    "text": "prompt",
    "_annotator_id": "labeler",
    "_session_id": "labeler",
}


def read_prompt(row: Row) -> PromptShape:
    """Return the task's text."""
    return read_side_prompt(row)


def read_preference(row: Row) -> list[PairShape]:
    """Return a pair for each accepted option and each other one; for two options also a tie, or no vote.

    For pairs every two options, without a vote.
    """
    if row.judged and row.get("answer") not in (None, "accept"):
        raise BadRow.of("row.not_accepted", "answer", given=str(row["answer"])[:40])
    prompt, options = read_prompt(row), _options(row)
    if not row.judged:
        return [PairShape(prompt, ((one, None), (other, None))) for one, other in combinations(options.values(), 2)]
    accepted = _accepted(row, list(options))
    labeler = read_labeler(row, "_annotator_id") or read_labeler(row, "_session_id")
    pairs = []
    for first, second in combinations(options, 2):
        votes: tuple[Vote, ...] = ()
        if (first in accepted) != (second in accepted):
            votes = (Vote(0 if first in accepted else 1, labeler=labeler),)
        elif len(options) == 2 and len(accepted) == 2:
            votes = (Vote(None, labeler=labeler),)
        if votes or len(options) == 2:
            pairs.append(PairShape(prompt, ((options[first], None), (options[second], None)), votes))
    if not pairs:
        raise BadRow.of("row.no_option_accepted", "accept")
    return pairs


def read_completion(row: Row) -> list[CompletionShape]:
    """Return every option as a completion."""
    prompt = read_prompt(row)
    return [CompletionShape(prompt, text) for text in _options(row).values()]


def _options(row: Row) -> dict[str, str]:
    value = read_nested(row, "options")
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(item, dict) for item in value):
        raise BadRow.of("row.options", "options")
    options: dict[str, str] = {}
    for number, item in enumerate(value):
        part: Row = row.part(item, f"options[{number}]")
        id = str(part.get("id"))
        if id in options:
            raise BadRow.of("row.option_twice", "options", id=id[:40])
        options[id] = check_text(part.get("text"), f"options[{number}].text")
    return options


def _accepted(row: Row, ids: list[str]) -> set[str]:
    value = [] if is_blank(row.get("accept")) else read_nested(row, "accept")
    accepted = {str(item) for item in (value if isinstance(value, list) else [value])}
    if unknown := sorted(accepted - set(ids)):
        raise BadRow.of("row.option_unknown", "accept", given=unknown[0][:40])
    return accepted
