# SPDX-License-Identifier: Apache-2.0
"""Argilla 2's exports: records with `fields` and `responses`, or flat rows with `NAME.responses`.

A response to a label question names the better field; one to a ranking question orders the fields, and equal ranks are
a tie. Discarded responses and drafts do not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data.formats.rows.chats.sides import open_fields, read_side_prompt, read_sides
from data.formats.rows.fields import BadRow, Row, read_nested
from data.formats.shapes import PairShape, PromptShape, Vote
from data.formats.tracked_row import TrackedRow, is_blank, remark
from data.texts import join_texts

NAME = "argilla"
NEEDS = (frozenset({"fields", "responses"}), frozenset({"_server_id"}), frozenset({"id", "status", "_server_id"}))
COLUMNS = {"fields": "prompt and answers", "responses": "votes", "status": "status"}
COLUMNS_OF_QUESTION = ("", ".users", ".status")
"""Ends of the columns `NAME.responses` of a flat row."""
TIES = ("tie", "both", "equal", "same")
SUBMITTED = (None, "submitted")


def fits(row: Mapping[str, Any]) -> bool:
    """Return whether the row is a record: nested, or flat with responses to a question."""
    return "fields" in row or any(key.endswith(".responses") for key in row)


def read_prompt(row: Row) -> PromptShape:
    """Return the prompt of the record."""
    return read_side_prompt(open_fields(row, "fields"))


def read_preference(row: Row) -> PairShape:
    """Return the two answers, and the votes of everybody who responded; for pairs only the answers."""
    row.leave("status")  # of the record: pending or completed; a response has its own
    prompt, answers = read_sides(open_fields(row, "fields"))
    votes = () if not row.judged else _votes(row, tuple(answers))
    first, second = answers.values()
    return PairShape(prompt, ((first, None), (second, None)), votes)


def _votes(row: Row, names: tuple[str, ...]) -> tuple[Vote, ...]:
    """Return the votes of the question that compares the answers; other questions are not read."""
    found: dict[str, tuple[Vote, ...]] = {}
    nested = _open_responses(row)
    for question, items in _flat_questions(row) if nested is None else _nested_questions(nested):
        votes = tuple(_vote(item, names) for item in items if _counts(item))
        if votes and None not in votes:
            found[question] = tuple(vote for vote in votes if vote)
    if len(found) > 1:
        raise BadRow.of("row.questions", "responses", names=join_texts("and", map(repr, found)))
    for question in found:
        _mark_read(row, nested, question)
    return next(iter(found.values()), ())


def _open_responses(row: Row) -> Row | None:
    """Return the responses by question as a part of the row; None for a flat row."""
    if "fields" not in row:
        return None
    value = {} if is_blank(row.get("responses")) else read_nested(row, "responses")
    return row.part(value if isinstance(value, dict) else {"": value}, "responses")


def _mark_read(row: Row, nested: Row | None, question: str) -> None:
    """Mark the responses to a question as read; whatever else they hold is not read."""
    if nested is None:
        for end in COLUMNS_OF_QUESTION:
            row.get(f"{question}.responses{end}")
        return
    for item in _as_list(nested[question]):
        part = nested.part(item, question)
        for key in ("value", "user_id", "status"):
            part.get(key)


def _counts(item: object) -> bool:
    """Return whether a response was submitted with a value."""
    if not isinstance(item, dict):
        raise BadRow.of("row.response", "responses")
    return item.get("status") in SUBMITTED and not is_blank(item.get("value"))


def _nested_questions(responses: Row) -> Iterator[tuple[str, list]]:
    """Yield each question of a record with its responses."""
    for name in responses.names:
        yield name, _as_list(responses.peek(name))


def _as_list(value: object) -> list:
    return value if isinstance(value, list) else [value]


def _flat_questions(row: Row) -> Iterator[tuple[str, list]]:
    """Yield each question of a flat row with its responses."""
    for key in row.names:
        if key.endswith(".responses"):
            yield key.removesuffix(".responses"), _zip_columns(row, key)
        elif key.endswith(".suggestion.score") and row.peek(key) is not None:
            row.leave(key)
            row.note(remark("suggestion", column=key.removesuffix(".score")))


def _zip_columns(row: Row, key: str) -> list[dict]:
    """Return the responses of a flat row, which stand in three columns."""
    copy: Row = TrackedRow({f"{key}{end}": row.peek(f"{key}{end}") for end in COLUMNS_OF_QUESTION})
    values = [[] if is_blank(copy[name]) else read_nested(copy, name) for name in copy]
    if not all(isinstance(column, list) for column in values):
        raise BadRow.of("row.list", key)
    values = [[*column, *[None] * (len(values[0]) - len(column))] for column in values]
    return [{"value": value, "user_id": user, "status": status} for value, user, status in zip(*values, strict=False)]


def _vote(item: dict, names: tuple[str, ...]) -> Vote | None:
    """Return the vote of a response: the name of a field, or the fields in order; None for any other answer."""
    value, user = item["value"], str(item.get("user_id") or "")[:80]
    if isinstance(value, str):
        if value.casefold() in TIES:
            return Vote(None, labeler=user)
        return Vote(names.index(value), labeler=user) if value in names else None
    ranks = {}
    for place, entry in enumerate(value if isinstance(value, list) else []):
        name, rank = (entry.get("value"), entry.get("rank", place)) if isinstance(entry, dict) else (entry, place)
        if name in names and isinstance(rank, int):
            ranks[name] = rank
    if len(ranks) < len(names):
        return None
    first, second = (ranks[name] for name in names)
    return Vote(None if first == second else int(second < first), labeler=user)
