# SPDX-License-Identifier: Apache-2.0
"""Completions in rows of every format: an answer and its model, both answers of a preference, the end of a chat.

A verdict of the file says nothing about a completion. Labelers judge it, so no verdict is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data.formats.registry import Format
from data.formats.rows import alpaca, trl
from data.formats.rows.conversation import read_answer, unspaced
from data.formats.rows.fields import BadRow, read_optional_text
from data.formats.shapes import CompletionShape, PairShape
from data.formats.tracked_row import TrackedRow

ANSWERS = ("response", "completion", "output", "answer")
ASKED = {"prompt", "instruction"}
MODELS = ("model", "generator", "model_name")
REJECTED = frozenset({"rejected_response", "rejected_messages"})


def holds_two_answers(row: Mapping[str, Any], form: Format) -> bool:
    """Return whether a row of this format holds answers to be compared."""
    return (
        {"chosen", "rejected"} <= row.keys()
        or bool(REJECTED & row.keys())
        or bool(form.reader("preferences") and not form.reader("instructions"))
    )


def read_completions(row: TrackedRow, form: Format) -> list[CompletionShape]:
    """Return the completions of a row whose format has no reader of them. Raises BadRow if it holds none."""
    single = {*ANSWERS} & row.names
    if holds_two_answers(row.values_by_name, form) and not (single and ASKED & row.names):
        return _read_both(row, form)
    learned = form.reader("instructions")
    if learned is None or (ASKED & row.names and (single or "instances" not in row)):
        return [read_completion(row)]
    shapes, model = _as_list(learned(row)), _read_model(row)
    return [CompletionShape(shape.prompt, shape.output, model) for shape in shapes]


def read_completion(row: TrackedRow) -> CompletionShape:
    """Read a completion of another model: its prompt, `response` (or `completion`, `output`) and `model`."""
    key = next((key for key in ANSWERS if key in row), ANSWERS[0])
    instructed = "instruction" in row
    prompt = alpaca.read_only_prompt(row) if instructed else trl.read_prompt(row)
    text = read_answer(row, key, prompt, blank=True)
    text = text if instructed else unspaced(row, "prompt", text)
    return CompletionShape(prompt, text, _read_model(row))


def _read_both(row: TrackedRow, form: Format) -> list[CompletionShape]:
    """Return every answer of the row's pairs, each once."""
    reader = form.reader("preferences")
    if reader is None:
        raise BadRow.of("row.no_preferences", form=form.name)
    shapes: list[CompletionShape] = []
    for shape in _completions(reader(row)):
        if shape not in shapes:
            shapes.append(shape)
    return shapes


def _completions(pairs: PairShape | list[PairShape]) -> Iterator[CompletionShape]:
    for pair in _as_list(pairs):
        yield from (CompletionShape(pair.prompt, text, model) for text, model in pair.answers)


def _as_list(shapes: Any) -> list:  # noqa: ANN401 (one shape of any kind, or several)
    return shapes if isinstance(shapes, list) else [shapes]


def _read_model(row: TrackedRow) -> str | None:
    return next((name for column in MODELS if column in row and (name := read_optional_text(row, column))), None)
