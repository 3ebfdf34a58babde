"""Export: the store's rows as files that other tools read, each traceable to its event and marked with its source.

A file appears whole or not at all. Policies and reward models are written by the floor that knows models:
`MODEL_EXPORTERS` names its functions, filled in where the application is put together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from data.errors import BadInput
from data.formats import alpaca, hh, trl
from data.formats.fields import BadRow
from data.formats.shapes import InstructionShape, PreferenceShape, PromptShape
from data.formats.writing import write_rows
from data.preferences import PEOPLE, PreferenceRow, preference_rows
from data.records import Instruction
from data.store import Store

MODEL_EXPORTERS: dict[str, str] = {}
"""'policy' and 'reward-model' -> "module:function"(store, id, out, *, merge, force) -> {rows, omitted, files}."""

PREFERENCES: dict[str, Callable[[PreferenceShape], dict]] = {
    "trl": trl.explicit_row,
    "trl-implicit": trl.implicit_row,
    "trl-conversational": trl.conversational_row,
    "hh": hh.preference_row,
    "alpaca": alpaca.preference_row,
}
INSTRUCTIONS: dict[str, Callable[[InstructionShape], dict]] = {
    "alpaca": alpaca.instruction_row,
    "trl": trl.instruction_row,
    "trl-conversational": trl.instruction_messages,
}
RAW = "jsonl"  # every column as it is kept, ties included
FORMATS = {"preferences": (*PREFERENCES, RAW), "instructions": tuple(INSTRUCTIONS), "events": (RAW,)}
LABELS = {"person": PEOPLE, "simulated": ("simulated",), "all": "all"}
EVENTS = {  # assignments last: those of all that was read before them are then there, even while people label
    "comparison": "SELECT c.*, r.text AS rationale FROM comparisons AS c LEFT JOIN rationales AS r ON r.comparison_id = c.id"
    " ORDER BY c.rowid",
    "skip": "SELECT skips.*, a.labeler_id FROM skips JOIN assignments AS a ON a.id = skips.assignment_id ORDER BY skips.rowid",
    "assignment": "SELECT * FROM assignments ORDER BY rowid",
}
MODELS = ("policy", "reward-model")
WHAT = (*FORMATS, *MODELS)


def export_file(
    store: Store,
    out: Path | str,
    what: str,
    *,
    form: str | None = None,
    labels: str = "person",
    force: bool = False,
    by: str = "command line",
) -> dict:
    """Write preferences, instructions or events to `out` -> {rows, omitted: {reason: n}, files}.

    A name that ends in .gz is gzipped, one in .json holds an array. Raises BadInput where there is nothing to write, the
    format does not hold it, or `out` exists (without `force`). `by` is who does it, for the audit list.
    """
    out = Path(out).expanduser()
    form = form or FORMATS[what][0]
    if form not in FORMATS[what]:
        raise BadInput(f"{what} cannot be written as {form!r}", f"Take one of {', '.join(FORMATS[what])}.", field="format")
    omitted: Counter[str] = Counter()
    if what == "preferences":
        rows = _preferences(preference_rows(store, source=LABELS[labels]), form, omitted)
    elif what == "instructions":
        rows = _instructions(store, form, omitted)
    else:
        rows = events(store)
    count = write_rows(out, rows, force=force)
    store.audit.add(by, "export", file=out.name, what=what, format=form, labels=labels, rows=count)
    return {"rows": count, "omitted": dict(omitted), "files": [str(out)]}


def export_model(store: Store, out: Path | str, what: str, id: str, *, merge: bool = False, force: bool = False) -> dict:
    """Write a policy or a reward model to the folder `out` by the function in `MODEL_EXPORTERS`."""
    module, _, function = MODEL_EXPORTERS[what].partition(":")
    return getattr(import_module(module), function)(store, id, Path(out).expanduser(), merge=merge, force=force)


def events(store: Store) -> Iterator[dict]:
    """Comparisons, skips and assignments as they were recorded, superseded and withdrawn ones included."""
    simulated = {account.id: account.simulated for account in store.accounts.list()}
    for kind, query in EVENTS.items():
        for row in store.rows(query):
            source = row.get("source") or ("simulated" if simulated[row["labeler_id"]] else "person")
            yield {"event": kind, **row, "source": source}


def _preferences(rows: Iterable[PreferenceRow], form: str, omitted: Counter[str]) -> Iterator[dict]:
    for row in rows:
        if form == RAW:
            yield {name: value for name, value in asdict(row).items() if name != "labeler"}
        elif row.label == 0.5:
            omitted["tie"] += 1
        else:
            yield from _written(PREFERENCES[form], _preference_shape(row), _about(row), omitted)


def _instructions(store: Store, form: str, omitted: Counter[str]) -> Iterator[dict]:
    for row in store.instructions.list():
        shape = _instruction_shape(store, row)
        about = {"source": row.source, "defects": row.defects, "split": row.split}
        yield from _written(INSTRUCTIONS[form], shape, about, omitted)


def _written(write: Callable[[Any], dict], shape: Any, about: dict, omitted: Counter[str]) -> Iterator[dict]:
    """The row, or none where the format cannot say it, which is counted."""
    try:
        yield write(shape) | about
    except BadRow as bad:
        omitted[bad.reason] += 1


def _preference_shape(row: PreferenceRow) -> PreferenceShape:
    return PreferenceShape(PromptShape(row.prompt, row.messages), row.chosen, row.rejected, row.margin)


def _instruction_shape(store: Store, row: Instruction) -> InstructionShape:
    messages = store.prompts.get(row.prompt_id).messages
    return InstructionShape(row.instruction, row.input, row.output, messages)


def _about(row: PreferenceRow) -> dict:
    """What leads from an exported row back to its event, without the labeler's name."""
    return {
        "margin": row.margin, "source": row.source, "split": row.split, "weight": row.weight, "comparison": row.comparison_id,
        "labeler": row.labeler_id, "guideline_version": row.guideline_version,
    }  # fmt: skip
