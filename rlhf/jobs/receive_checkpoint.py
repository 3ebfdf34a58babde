# SPDX-License-Identifier: Apache-2.0
"""The server's side of checkpoints: they replace the former ones whole, or not at all.

An archive holds the files that the server said it lacks. The other ones are linked from the checkpoints that it has.
"""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError

from data.records import Run
from data.store import Store
from labeling.texts.pages import bad_input
from rlhf.jobs.archive import unpack
from rlhf.jobs.base_files import read_hash
from rlhf.jobs.manifest import FILES, MANIFEST, Manifest, ManifestFile, describe_files
from rlhf.launchers.elsewhere import BUNDLES
from rlhf.runs.disk_use import run_folder

DRAFTS = (".checkpoint.", ".result.")
"""Prefixes of folders in a run's folder into which archives are unpacked."""
FORMER = ".former"
"""Name of a checkpoint in the moment in which another one takes its place."""
INDEX = "checkpoint.json"
"""The manifest of the checkpoints that have arrived, in the run's folder. Without it their files are read again."""
SWAPS = threading.Lock()
"""Held while a checkpoint takes the place of the former one."""


def missing_files(store: Store, run: Run, manifest: Manifest) -> list[str]:
    """Return the hashes of the files that no checkpoint of this run, or of the one that it resumes, holds here."""
    known = _known_files(store, run)
    return sorted({file.hash for file in manifest.files} - known.keys())


def receive_checkpoint(store: Store, run: Run, archive: Path) -> None:
    """Replace the run's checkpoints by those of an archive: whole, or not at all.

    Raises BadInput for an empty one, and if a file is missing or damaged.
    """
    folder = run_folder(store, run)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=DRAFTS[0], dir=folder) as place:
        arrived, new = Path(place) / FILES, Path(place) / "checkpoint"
        unpack(archive, Path(place), (MANIFEST, FILES))
        manifest = _read_manifest(Path(place) / MANIFEST)
        if not manifest.files:
            raise bad_input("refused.job_no_checkpoint")
        with SWAPS:
            known = _known_files(store, run)
            for file in manifest.files:
                _place_file(file, arrived / file.hash, known.get(file.hash), new / file.path)
            store.runs.heartbeat(run.id)
            (folder / INDEX).unlink(missing_ok=True)
            if (folder / "checkpoint").exists():
                shutil.rmtree(folder / FORMER, ignore_errors=True)
                (folder / "checkpoint").rename(folder / FORMER)
            new.rename(folder / "checkpoint")
            shutil.rmtree(folder / FORMER, ignore_errors=True)
            (Path(place) / MANIFEST).rename(folder / INDEX)


def delete_checkpoint(folder: Path) -> None:
    """Delete the checkpoints in the folder of a run that is done."""
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    (folder / INDEX).unlink(missing_ok=True)


def delete_leftovers(store: Store) -> None:
    """Delete the unfinished files of a server that was killed, and take up a checkpoint that it was replacing.

    Bundles of runs that have ended go too. Call it when no server works on the home.
    """
    home, running = store.home, {run.public for run in store.runs.all(state="running")}
    ended = [file for file in (home / "cache" / BUNDLES).glob("run*") if file.name.split("-")[0] not in running]
    unfinished = [path for draft in DRAFTS for path in (home / "runs").glob(f"*/{draft}*")]
    for path in [*unfinished, *ended, *(home / "cache").glob(".*"), *(home / "cache" / BUNDLES).glob(".*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for former in (home / "runs").glob(f"*/{FORMER}"):
        if (former.parent / "checkpoint").exists():
            shutil.rmtree(former)
        else:
            former.rename(former.parent / "checkpoint")


def _read_manifest(file: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as problem:
        raise bad_input("refused.job_manifest", problem=str(problem).splitlines()[0]) from None


def _known_files(store: Store, run: Run) -> dict[str, Path]:
    """Return the files of checkpoints here by their hashes."""
    runs = [run] if run.resumes is None else [store.runs.get(run.resumes), run]
    known: dict[str, Path] = {}
    for folder in (run_folder(store, row) for row in runs):
        try:
            manifest = Manifest.model_validate_json((folder / INDEX).read_bytes())
        except (OSError, ValidationError):
            manifest = _described(folder / "checkpoint")
        for file in manifest.files:
            path = folder / "checkpoint" / file.path
            if path.is_file() and path.stat().st_size == file.size:
                known[file.hash] = path
    return known


def _described(folder: Path) -> Manifest:
    try:
        return describe_files(folder)
    except FileNotFoundError:  # another checkpoint takes its place now
        return Manifest(files=[])


def _place_file(file: ManifestFile, arrived: Path, known: Path | None, target: Path) -> None:
    """Link a file that has arrived, or that is here, into a new checkpoint. Raises BadInput for a damaged one."""
    source = arrived if arrived.is_file() else known
    if source is None:
        raise bad_input("refused.job_file_missing", path=file.path[:80])
    if source is arrived and read_hash(arrived) != file.hash:
        raise bad_input("refused.job_file_damaged", path=file.path[:80])
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:
        raise bad_input("refused.job_file_twice", path=file.path[:80]) from None
    except OSError:  # a disk without links
        shutil.copyfile(source, target)
