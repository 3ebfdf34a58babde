# SPDX-License-Identifier: Apache-2.0
"""Disk use of runs, and the removal of folders that nothing needs.

A run's files stay beside each other in runs/N. Its subfolders (checkpoints, adapters) may be pruned; its files (the
log, maps of the clinic) stay. A subfolder stays if a policy or reward model lies in it, or if a run that has not ended
is or resumes this run.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from data.errors import BadInput
from data.records import Run
from data.store import Store

KEEP = 5
"""Newest runs that a prune leaves alone."""
DOOMED = ".pruned-"
"""Prefix of folders that a prune deletes: they were renamed first, so no reader finds half a folder."""

EXPORT_DRAFT = ".export."
"""Prefix of folders in the home's `exports` in which a run or a page writes a file; a killed one leaves it behind."""
OF_RUN = re.compile(r"\.export\.run(\d+)\.")
"""The name of a run's folder begins with this; the other ones are those of pages."""
LONGEST = 24 * 3600
"""Seconds after which nobody still writes in the folder of a page."""


class Removal(NamedTuple):
    """A subfolder of a run that nothing needs, and its bytes."""

    run: Run
    folder: Path
    size: int


def count_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder, 0 if there is none. Links are not followed."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:  # a run at work deletes old checkpoints
                continue
    return total


def run_folder(store: Store, run: Run) -> Path:
    """Return the folder of a run's files."""
    return store.home / "runs" / str(run.id)


def list_removals(store: Store, keep: int = KEEP) -> list[Removal]:
    """Return the subfolders that a prune would delete, newest run first. Raises BadInput for a negative `keep`."""
    if keep < 0:
        raise BadInput(f"{keep} is no number of runs", "Give --keep a number from 0.", field="keep")
    runs = store.runs.all()
    busy = {run.id for run in runs if not run.over} | {run.resumes for run in runs if not run.over}
    models = [*store.policies.all(), *store.reward_models.all()]
    home = store.home.resolve()
    needed = [(home / place).resolve() for model in models for place in (model.base, model.adapter) if place]
    return [
        Removal(run, folder, count_bytes(folder))
        for run in runs[keep:]
        if run.id not in busy
        for folder in _subfolders(run_folder(store, run))
        if not any(_overlap(place, folder.resolve()) for place in needed)
    ]


def prune(store: Store, keep: int = KEEP, *, by: str) -> list[Removal]:
    """Delete the folders of `list_removals` and return them. Raises BadInput as it does.

    They are renamed inside a transaction, so no run can be queued meanwhile that needs one of them. Unfinished files of
    killed exports are deleted as well.
    """
    with store.transaction():
        removals = list_removals(store, keep)
        for run, folder, _ in removals:
            folder.rename(store.home / "runs" / f"{DOOMED}{run.id}-{folder.name}")
        if removals:
            runs, size = sorted({removal.run.id for removal in removals}), sum(removal.size for removal in removals)
            store.audit.add(by, "prune runs", runs=runs, bytes=size)
    for doomed in (store.home / "runs").glob(f"{DOOMED}*"):  # those of a prune that was killed, too
        shutil.rmtree(doomed, ignore_errors=True)
    busy = {run.id for run in store.runs.all() if not run.over}
    for draft in (store.home / "exports").glob(f"{EXPORT_DRAFT}*"):
        if _is_abandoned(draft, busy):
            shutil.rmtree(draft, ignore_errors=True)
    return removals


def _is_abandoned(draft: Path, busy: Collection[int]) -> bool:
    if run := OF_RUN.match(draft.name):
        return int(run[1]) not in busy
    try:
        return draft.stat().st_mtime < time.time() - LONGEST
    except FileNotFoundError:  # its page has just finished
        return False


def _subfolders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def _overlap(place: Path, folder: Path) -> bool:
    return place.is_relative_to(folder) or folder.is_relative_to(place)


def format_bytes(size: int) -> str:
    """Format bytes with three digits: 512 B, 1.23 MB, 45.6 GB."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}" if unit != "B" else f"{size} B"
