# SPDX-License-Identifier: Apache-2.0
"""Rows of snapshots, split once into those to train on and those to measure by.

`TrainingRows` is the only type that trainers accept. It never holds a row of a test prompt, whatever the row's own
`split` says: the split is computed again from the prompt's text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from data.errors import BadInput
from data.records import Snapshot
from data.run_context import RunContext
from data.splits import split_of
from data.store import Store
from data.tables.instructions import instruction_prompt
from data.views.preferences import PreferenceRow, thaw_row
from data.views.retracted_rows import refuse_retracted

Kind = Literal["preferences", "instructions"]
Row = TypeVar("Row", covariant=True)
Other = TypeVar("Other")
InstructionRow = Mapping[str, Any]
"""{instruction, input, output, ...}, as snapshots of kind 'instructions' hold them."""
CurrentRows = Callable[[], Sequence[Mapping[str, Any]]]
"""Reads the rows that a run without a snapshot starts from, in the form that a snapshot stores."""

NOTE = "snapshot.json"
"""Names the run's snapshot in its checkpoint folder."""


class TrainingRows(Generic[Row]):
    """Rows that a run may train on, in order. `map` and `take` keep the type."""

    __slots__ = ("_rows",)
    _rows: tuple[Row, ...]

    def __init__(self, rows: Iterable[Row], origin: str = "these rows") -> None:
        """Check and hold the rows. Raises BadInput, naming `origin`, if one is of a test prompt."""
        self._rows = tuple(rows)
        _refuse_test_prompts(self._rows, origin)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __getitem__(self, number: int) -> Row:
        return self._rows[number]

    def map(self, convert: Callable[[Sequence[Row]], Iterable[Other]]) -> TrainingRows[Other]:
        """Return what `convert` makes of the rows, such as their token ids."""
        return _trusted(convert(self._rows))

    def take(self, numbers: Iterable[int]) -> TrainingRows[Row]:
        """Return the rows at these positions."""
        return _trusted(self._rows[number] for number in numbers)

    def matching(self, condition: Callable[[Row], bool]) -> TrainingRows[Row]:
        """Return the rows that satisfy `condition`."""
        return _trusted(row for row in self._rows if condition(row))


@dataclass(frozen=True, slots=True)
class HeldOutRows:
    """Comparisons that no run trains on: `validation` to choose by, `test` to report."""

    validation: tuple[PreferenceRow, ...]
    test: tuple[PreferenceRow, ...]


def split_preferences(
    rows: Sequence[PreferenceRow], origin: str = "these rows"
) -> tuple[TrainingRows[PreferenceRow], HeldOutRows]:
    """Split comparisons into those to train on and those held out.

    Raises BadInput if a test prompt hides in another split.
    """
    validation = tuple(row for row in rows if row.split == "validation")
    training = TrainingRows((row for row in rows if row.split == "train"), origin)
    _refuse_test_prompts(validation, origin)
    return training, HeldOutRows(validation, tuple(row for row in rows if row.split == "test"))


def load_preferences(store: Store, id: str | int) -> tuple[TrainingRows[PreferenceRow], HeldOutRows]:
    """Read a snapshot of comparisons. Raises BadInput as `split_preferences`, or if the snapshot is of another kind."""
    rows, origin = _snapshot_rows(store, id, "preferences")
    return split_preferences([thaw_row(row) for row in rows], origin)


def load_instructions(store: Store, id: str | int) -> TrainingRows[InstructionRow]:
    """Read a snapshot of instruction rows.

    Raises BadInput if one is of a test prompt or the snapshot is of another kind.
    """
    rows, origin = _snapshot_rows(store, id, "instructions")
    return TrainingRows(rows, origin)


def current_instructions(store: Store) -> list[dict[str, str]]:
    """Return every instruction row of the train split, as a snapshot stores it. Raises BadInput if there is none."""
    rows = [
        {"instruction": row.instruction, "input": row.input, "output": row.output}
        for row in store.instructions.all(split="train")
    ]
    if not rows:
        raise BadInput.of("error.no_instruction_rows", field="snapshot")
    return rows


def freeze_current_instructions(store: Store) -> Snapshot:
    """Freeze the instruction rows of the train split. Raises BadInput if there is none."""
    return store.snapshots.freeze("instructions", current_instructions(store), {"split": "train"})


def freeze_preferences(
    context: RunContext, wanted: str, current: CurrentRows, filters: Mapping[str, Any]
) -> tuple[Snapshot, TrainingRows[PreferenceRow], HeldOutRows]:
    """Return a run's snapshot of comparisons and its rows; see `_run_snapshot`. Raises as `load_preferences`."""
    snapshot = context.once(lambda: _run_snapshot(context, "preferences", wanted, current, filters))
    rows = load_preferences(context.store, snapshot.id)
    context.once(lambda: _write_note(context, snapshot))
    return snapshot, *rows


def freeze_instructions(
    context: RunContext, wanted: str, current: CurrentRows, filters: Mapping[str, Any]
) -> tuple[Snapshot, TrainingRows[InstructionRow]]:
    """Return a run's snapshot of instruction rows and its rows; see `_run_snapshot`. Raises as `load_instructions`."""
    snapshot = context.once(lambda: _run_snapshot(context, "instructions", wanted, current, filters))
    rows = load_instructions(context.store, snapshot.id)
    context.once(lambda: _write_note(context, snapshot))
    return snapshot, rows


def _run_snapshot(
    context: RunContext, kind: Kind, wanted: str, current: CurrentRows, filters: Mapping[str, Any]
) -> Snapshot:
    """Return the snapshot that a resumed run started with, else `wanted` (s2), else the `current` rows, frozen now."""
    note = context.checkpoints() / NOTE
    id = json.loads(note.read_text())["snapshot"] if note.is_file() else wanted
    return context.store.snapshots.get(id) if id else context.store.snapshots.freeze(kind, current(), filters)


def _write_note(context: RunContext, snapshot: Snapshot) -> None:
    (context.checkpoints() / NOTE).write_text(json.dumps({"snapshot": snapshot.public}))


def _snapshot_rows(store: Store, id: str | int, kind: Kind) -> tuple[list[dict[str, Any]], str]:
    """Return the rows and the name that errors give them. Raises BadInput if rows are retracted."""
    snapshot = store.snapshots.get(id)
    if snapshot.kind != kind:
        raise BadInput.of(
            "error.snapshot_kind", snapshot=snapshot.public, holds=snapshot.kind, kind=kind, field="snapshot"
        )
    rows = store.snapshots.rows(snapshot.id)
    refuse_retracted(store, snapshot, rows)
    return rows, f"snapshot {snapshot.public}"


def _trusted(rows: Iterable[Other]) -> TrainingRows[Other]:
    """Wrap rows that come from `TrainingRows`, without checking them again."""
    training: TrainingRows[Other] = TrainingRows(())
    training._rows = tuple(rows)
    return training


def _refuse_test_prompts(rows: Sequence[object], origin: str) -> None:
    count = sum(split_of(_prompt_text(row)) == "test" for row in rows)
    if count:
        raise BadInput.of("error.test_prompts", count=count, rows=len(rows), origin=origin)


def _prompt_text(row: object) -> str:
    if isinstance(row, PreferenceRow):
        return row.prompt
    if isinstance(row, Mapping):
        return instruction_prompt(row["instruction"], row["input"])
    raise TypeError(f"{type(row).__name__} is no row of a snapshot")
