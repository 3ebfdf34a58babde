# SPDX-License-Identifier: Apache-2.0
"""Exported rows: each in its format, with its event and its source. What a format cannot hold is counted by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from data.formats.export.formats import (
    FULL,
    FULL_COLUMNS,
    MODEL_COLUMNS,
    PREFERENCES,
    PROMPT_COLUMNS,
    SINGLE,
    Format,
    ShapeType,
    make_pseudonym,
)
from data.formats.rows.fields import BadRow
from data.formats.shapes import InstructionShape, PreferenceShape, PromptShape
from data.store import Store
from data.texts import Translatable
from data.views.preferences import PreferenceRow

TIE, PARTIAL = Translatable.of("omitted.tie"), Translatable.of("omitted.partial")
"""Reasons for rows that a format leaves out."""


def preference_dicts(rows: Iterable[PreferenceRow], form: str, omitted: Counter[str], *, names: bool) -> Iterator[dict]:
    """Yield the rows that the format can hold.

    A ranking, or a comparison with its edit, is written whole, but for its ties, or not at all.
    """
    for _, same in groupby(rows, lambda row: row.said_in):
        group, lost = list(same), Counter[str]()
        parts = [part for row in group for part in _preference(row, form, lost, names)]
        if parts and lost.keys() - {TIE}:
            lost[PARTIAL] = len(group) - lost.total()
        elif parts:
            yield from parts
        omitted.update(lost)


def _preference(row: PreferenceRow, form: str, omitted: Counter[str], names: bool) -> Iterator[dict]:
    about = _about(row, names)
    if form == FULL:
        yield {name: getattr(row, name) for name in FULL_COLUMNS} | about
    elif row.label == 0.5:
        omitted[TIE] += 1
    else:
        authors = [row.a_model, row.b_model][:: 1 if row.label == 1.0 else -1]
        models = dict(zip(MODEL_COLUMNS, authors, strict=True))
        prompt = PromptShape(row.prompt, row.messages)
        shape = PreferenceShape(prompt, row.chosen or "", row.rejected or "", row.margin, **models)
        more = {} if form in SINGLE else dict(models)
        if form == "reward-bench":
            more |= {"subset": row.project, "id": row.comparison_id}
        yield from _written(PREFERENCES[form], shape, more | about, omitted)


def instruction_dicts(store: Store, form: Format[InstructionShape], omitted: Counter[str]) -> Iterator[dict]:
    """Yield the rows of instructions, with the authors of written ones."""
    origins = store.demonstrations.origins()
    for row in store.instructions.stream():
        messages = store.prompts.get(row.prompt_id).messages
        shape = InstructionShape(row.instruction, row.input, row.output, messages)
        about: dict[str, object] = {"source": row.source, "defects": row.defects, "split": row.split}
        if origin := origins.get(row.id):
            about |= {
                "author": make_pseudonym(origin.author_id),
                "written_at": origin.created_at,
                "guideline_version": origin.guideline_version,
            }
        yield from _written(form, shape, about, omitted)


def prompt_dicts(store: Store, form: Format[PromptShape], omitted: Counter[str]) -> Iterator[dict]:
    """Yield the rows of prompts."""
    for prompt in store.prompts.stream():
        about = {name: getattr(prompt, name) for name in PROMPT_COLUMNS}
        yield from _written(form, PromptShape(prompt.text, prompt.messages), about, omitted)


def _written(form: Format[ShapeType], shape: ShapeType, about: dict, omitted: Counter[str]) -> Iterator[dict]:
    """Yield the rows of a shape, or none if the format cannot hold it; `omitted` counts these."""
    try:
        rows = form.rows(shape)
    except BadRow as bad:
        omitted[bad.reason] += 1
    else:
        yield from (row | about for row in rows)


def _about(row: PreferenceRow, names: bool) -> dict:
    """Return the columns that link an exported row to its event."""
    return {
        "margin": row.margin,
        "source": row.source,
        "split": row.split,
        "weight": row.weight,
        "comparison": row.comparison_id,
        "labeler": row.labeler if names else make_pseudonym(row.labeler_id),
        "project": row.project,
        "guideline_version": row.guideline_version,
        "kind": row.kind,
        "said_in": row.said_in,
    }
