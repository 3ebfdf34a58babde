"""The frozen rows a run trains on: those it began with, those of a snapshot given by its id, or the current ones.

A snapshot may be old, or made by hand: whatever it says of itself, no row of a test prompt is trained on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from data.errors import BadInput
from data.records import Snapshot
from data.run_context import RunContext
from data.splits import split_of
from data.store import Store
from data.tables.instructions import instruction_prompt
from data.views.preferences import refuse_test_rows

Kind = Literal["preferences", "instructions"]
NOTE = "snapshot.json"


def frozen_rows(
    context: RunContext,
    kind: Kind,
    wanted: str,
    current: Callable[[], Sequence[Mapping[str, Any]]],
    filters: Mapping[str, Any],
) -> tuple[Snapshot, list[dict[str, Any]]]:
    """The snapshot of a run and its rows: `wanted` (s2), or where that is empty the `current` rows, frozen now.

    A run that goes on keeps the snapshot it began with, whatever came into the store since. Raises as `snapshot_rows`.
    """
    note = context.checkpoints() / NOTE
    begun = json.loads(note.read_text())["snapshot"] if note.is_file() else wanted
    snapshot = context.store.snapshots.get(begun) if begun else context.store.snapshots.freeze(kind, current(), filters)
    rows = snapshot_rows(context.store, snapshot.public, kind)
    note.write_text(json.dumps({"snapshot": snapshot.public}))
    return snapshot, rows


def snapshot_rows(store: Store, id: str, kind: Kind) -> list[dict[str, Any]]:
    """Rows of a snapshot. Raises BadInput where it is of another kind, or a row to train on is of a test prompt.

    Comparisons that say they are of the test split stay: a reward model is measured by them.
    """
    snapshot = store.snapshots.get(id)
    if snapshot.kind != kind:
        raise BadInput(f"snapshot {snapshot.public} holds {snapshot.kind}", f"Name one of {kind}.", field="snapshot")
    rows = store.snapshots.rows(snapshot.id)
    trained = [row for row in rows if kind == "instructions" or row["split"] != "test"]
    refuse_test_rows([{"split": split_of(_prompt(row, kind))} for row in trained], f"snapshot {snapshot.public}")
    return rows


def _prompt(row: Mapping[str, Any], kind: Kind) -> str:
    return row["prompt"] if kind == "preferences" else instruction_prompt(row["instruction"], row["input"])
