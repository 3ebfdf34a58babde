# SPDX-License-Identifier: Apache-2.0
"""Label Studio's exports of a pairwise project: JSON (a task with its annotations), JSON-MIN and CSV (a row per task).

The task's columns are named by its project: `data.formats.rows.chats.sides` says which ones are the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.formats.rows.chats.sides import open_fields, read_side_prompt, read_sides
from data.formats.rows.fields import BadRow, Row, read_flag, read_nested
from data.formats.shapes import PairShape, PromptShape, Vote
from data.formats.tracked_row import is_blank

NAME = "label-studio"
NEEDS = (frozenset({"data", "annotations"}), frozenset({"annotation_id", "annotator"}))
COLUMNS = {"data": "prompt and answers", "annotations": "votes", "annotator": "labeler", "annotation_id": "annotation"}
SELECTED = {"left": 0, "right": 1}


def fits(row: Mapping[str, Any]) -> bool:
    """Return whether the row is a task with its data, or one of a table of tasks."""
    return "annotation_id" in row or not isinstance(row.get("data"), list)


def read_prompt(row: Row) -> PromptShape:
    """Return the prompt of the task."""
    return read_side_prompt(open_fields(row, "data"))


def read_preference(row: Row) -> PairShape:
    """Return the two answers, and a vote for each annotation that was not cancelled; for pairs only the answers."""
    prompt, answers = read_sides(open_fields(row, "data"))
    first, second = answers.values()
    return PairShape(prompt, ((first, None), (second, None)), () if not row.judged else _votes(row))


def _votes(row: Row) -> tuple[Vote, ...]:
    return _annotations(row) if "annotations" in row else _column_vote(row)


def _column_vote(row: Row) -> tuple[Vote, ...]:
    """Return the vote of a row of JSON-MIN or CSV: the one column that says left or right."""
    keys = [key for key, value in row.values_by_name.items() if isinstance(value, str) and value in SELECTED]
    if len(keys) > 1:
        raise BadRow.of("row.sides", keys[1], first=keys[0], second=keys[1])
    return tuple(Vote(SELECTED[row[key]], labeler=_name(row.get("annotator"))) for key in keys)


def _annotations(row: Row) -> tuple[Vote, ...]:
    value = read_nested(row, "annotations")
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadRow.of("row.list_of_objects", "annotations")
    votes: list[Vote] = []
    for number, item in enumerate(value):
        annotation: Row = row.part(item, f"annotations[{number}]")
        if read_flag(annotation, "was_cancelled"):
            continue
        labeler = _name(annotation.get("completed_by"))
        results = read_nested(annotation, "result") if "result" in annotation else []
        for place, result in enumerate(results if isinstance(results, list) else []):
            if not isinstance(result, dict):
                raise BadRow.of("row.result_list", f"annotations[{number}].result")
            part: Row = annotation.part(result, f"result[{place}]")
            if part.peek("type") == "pairwise":
                votes.append(Vote(_selected(part), labeler=labeler))
    return tuple(votes)


def _selected(result: Row) -> int:
    result.get("type")
    value = result.get("value")
    side = result.part(value, "value").get("selected") if isinstance(value, dict) else None
    if not isinstance(side, str) or side not in SELECTED:
        raise BadRow.of("row.annotation_side", "annotations", given=str(side)[:40])
    return SELECTED[side]


def _name(value: object) -> str:
    """Return the labeler's name: a number or an address, or the address of an account."""
    if isinstance(value, dict):
        value = value.get("email") or value.get("id")
    return "" if is_blank(value) else str(value)[:80]
