# SPDX-License-Identifier: Apache-2.0
"""A job home: the home of one run on a node's own disk, in which the run works as it does anywhere.

It keeps the token of its run, so only its owner may read it. It is also the spool: what the server has not taken yet
stays in it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Self

from data.records import Run
from data.store import Store
from data.version import __version__
from labeling.texts.pages import bad_input
from rlhf.jobs.archive import unpack
from rlhf.jobs.base_files import find_base, hash_base
from rlhf.jobs.bundle import bundle_places
from rlhf.launchers.elsewhere import JOB_FILE

DRAFT = ".draft"
"""Ending of a job home whose bundle is not unpacked yet."""


class Claimed(NamedTuple):
    """A run that the server gave to this worker, with the token of the run, and the run that it resumes."""

    run_id: int
    resumes: int | None
    token: str


class Job(NamedTuple):
    """A job home: its folder, its run, the server and the token of the run, and where the node has other bases."""

    folder: Path
    run_id: int
    server: str
    token: str
    bases: Mapping[str, str]
    moved: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the job of a folder."""
        about = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
        return cls(folder, about["run"], about["server"], about["token"], about["bases"], about["moved"])

    def open_store(self) -> Store:
        """Open the job's store."""
        return Store(self.folder)

    def run(self, store: Store) -> Run:
        """Return the run's row as it is here."""
        return store.runs.get(self.run_id)

    @property
    def run_folder(self) -> Path:
        """The folder of the run's files."""
        return self.folder / "runs" / str(self.run_id)

    def base_name(self, base: str) -> str:
        """Return the server's name of a base that lies elsewhere on this node."""
        return next((name for name, folder in self.moved.items() if folder == base), base)


def make_job(bundle: Path, folder: Path, claimed: Claimed, server: str, moved: Mapping[str, str]) -> Job:
    """Unpack a bundle into a new job home: complete or absent. `moved`: folders of bases by the server's names.

    Raises BadInput for a bundle of another version. The bases are checked by `check_bases`.
    """
    draft = folder.with_name(folder.name + DRAFT)
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    unpack(bundle, draft, bundle_places(claimed.resumes))
    about = json.loads((draft / JOB_FILE).read_text(encoding="utf-8"))
    if about["version"] != __version__:
        raise bad_input("refused.job_version", server=about["version"], own=__version__)
    moved = {name: str(Path(place).expanduser().resolve()) for name, place in moved.items() if name in about["bases"]}
    about |= {"server": server, "token": claimed.token, "moved": moved}
    with closing(Store(draft)) as store:
        store.metrics.number_values()
        for name, place in moved.items():
            _move_base(store, claimed.run_id, name, place)
    (draft / JOB_FILE).write_text(json.dumps(about, indent=2), encoding="utf-8")
    os.replace(draft, folder)
    return Job.read(folder)


def check_bases(job: Job) -> None:
    """Raise BadInput if a base of the run is not on this machine, or if its files are not the server's."""
    for name, expected in job.bases.items():
        folder = find_base(job.moved.get(name, name))
        if folder is None:
            raise bad_input("refused.job_base_missing", base=name, name=name)
        if hash_base(folder) != expected:
            raise bad_input("refused.job_base_foreign", base=name, name=name, folder=str(folder))


def _move_base(store: Store, run_id: int, name: str, place: str) -> None:
    """Write the folder of a base on this node into the rows that name it."""
    with store.transaction():
        for table in ("policies", "reward_models"):
            store.execute(f"UPDATE {table} SET base = ? WHERE base = ?", [place, name])
        sql = "UPDATE runs SET settings = json_set(settings, '$.base', ?) WHERE id = ? AND settings ->> 'base' = ?"
        store.execute(sql, [place, run_id, name])
