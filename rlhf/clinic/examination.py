# SPDX-License-Identifier: Apache-2.0
"""An examination: the result of an embed run, one file in the run's folder; importable without torch.

An embed run can rebuild it from the store, so backups leave it out.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from data.ids import RUN, parse_id
from data.store import Store
from labeling.texts.pages import bad_input

FILE = "examination.npz"


@dataclass(frozen=True, slots=True)
class Examination:
    """Arrays over N rows.

    `ids` (N,) are row ids in the store; `instructions` and `answers` (N, D) are vectors; `columns` (N, C) are named
    by `names`; `map` (N, 2) holds plot positions; `clusters` (N,) are cluster numbers; `groups` (N,) is the index of
    the first row of each near-duplicate group.
    """

    ids: np.ndarray
    instructions: np.ndarray
    answers: np.ndarray
    columns: np.ndarray
    names: np.ndarray
    map: np.ndarray
    clusters: np.ndarray
    groups: np.ndarray

    def column(self, name: str) -> np.ndarray:
        """Return the column of that name, (N,)."""
        return self.columns[:, list(self.names).index(name)]

    def save(self, folder: Path) -> None:
        """Write the file atomically."""
        draft = folder / f".{FILE}"
        with draft.open("wb") as file:
            np.savez(file, **{field.name: getattr(self, field.name) for field in fields(self)})
        draft.replace(folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Examination:
        """Read the file."""
        with np.load(folder / FILE, allow_pickle=False) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def find_examination(store: Store, wanted: str = "") -> int:
    """Return the id of the embed run called `wanted`, or of the newest run that has a file.

    Raises BadInput if there is none.
    """
    if wanted:
        run = store.runs.get(parse_id(wanted, RUN))
        if run.kind != "embed" or not examination_path(store, run.id).is_file():
            raise bad_input("refused.no_examination", field="embedded", public=run.public)
        return run.id
    run_ids = [
        run.id
        for run in store.runs.all()
        if run.kind == "embed" and run.state == "done" and examination_path(store, run.id).is_file()
    ]
    if not run_ids:
        raise bad_input("need.examination", field="embedded")
    return max(run_ids)


def examination_path(store: Store, run_id: int) -> Path:
    """Return the path of a run's examination file."""
    return store.home / "runs" / str(run_id) / FILE
