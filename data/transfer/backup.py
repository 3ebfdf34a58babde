# SPDX-License-Identifier: Apache-2.0
"""Backup and restore: one tar file with a consistent copy of both databases and the folders of all models.

A backup may run while the home is in use. SQLite copies each database at one moment (VACUUM INTO), and a model's
folder exists before its row is committed. The databases are copied first, so the file holds every row's folder.
"""

from __future__ import annotations

import fcntl
import json
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from sqlite_utils.utils import sqlite3

from data.clock import now
from data.errors import BadInput
from data.formats.writing import atomic_file, atomic_folder
from data.sqlite.connection import Connections
from data.store import FILE, Store
from data.version import __version__

MANIFEST = "preference-loop-backup.json"
FOLDERS = ("policies", "rewards")


def back_up(store: Store, out: Path | str, *, force: bool = False) -> dict:
    """Write the home to `out` (gzipped if the name ends in .gz or .tgz) -> {files, members}.

    Raises BadInput if `out` exists (without `force`) or cannot be written.
    """
    out = Path(out).expanduser()
    mode: Literal["w:gz", "w"] = "w:gz" if out.name.endswith((".gz", ".tgz")) else "w"
    with atomic_file(out, force=force) as part, TemporaryDirectory(prefix=".backup.", dir=out.parent) as copies:
        members = [*_copies(store, Path(copies)), *_folders(store)]
        with tarfile.open(part, mode) as archive:
            for path, name in members:
                archive.add(path, name)
    return {"files": [str(out)], "members": [name for _, name in members]}


def restore(home: Path | str, file: Path | str) -> dict:
    """Unpack a backup into `home`, all or nothing -> {files}.

    Raises BadInput if the home is in use or not empty, or if the file is not a whole backup.
    """
    home, file = Path(home).expanduser(), Path(file).expanduser()
    _refuse_home(home)
    if not file.is_file():
        raise BadInput("there is no such file", "Check the path.", file=str(file))
    home.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(home, force=True) as part:
        _unpack(file, part)
        _check(part / FILE, file)
    return {"files": sorted(str(path) for path in home.iterdir())}


def _copies(store: Store, folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the manifest, which identifies a backup, and a consistent copy of each database."""
    about = folder / MANIFEST
    about.write_text(json.dumps({"version": 1, "created_at": now(), "application": __version__}) + "\n")
    yield about, MANIFEST
    for source in (store.path, store.metrics.path):
        connections = Connections(source, synchronous="normal")
        connections.database().conn.execute("VACUUM INTO ?", [str(folder / source.name)])
        connections.close()
        yield folder / source.name, source.name


def _folders(store: Store) -> Iterator[tuple[Path, str]]:
    """Yield the models' folders: the usual ones, and any other folder in the home that holds a model."""
    yield from ((store.home / name, name) for name in FOLDERS if (store.home / name).is_dir())
    home = store.home.resolve()
    models = [*store.policies.all(), *store.reward_models.all()]
    places = {home / place for model in models for place in (model.base, model.adapter) if place}
    for folder in sorted(places):
        if folder.is_dir() and folder.is_relative_to(home):
            name = folder.relative_to(home)
            if name.parts[0] not in FOLDERS:
                yield folder, str(name)


def _refuse_home(home: Path) -> None:
    if home.exists() and not home.is_dir():
        raise BadInput("the home is a file", "Name a folder with --home.", file=str(home))
    if any(_held(lock) for lock in home.glob("*.lock")):
        raise BadInput("the home is in use", "Stop the server, or name an empty folder with --home.", file=str(home))
    if home.exists() and any(home.iterdir()):
        raise BadInput("the home is not empty", "Name an empty folder with --home.", file=str(home))


def _held(lock: Path) -> bool:
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _unpack(file: Path, folder: Path) -> None:
    try:
        with tarfile.open(file) as archive:
            first = archive.next()
            if first is None or first.name != MANIFEST:
                raise BadInput(
                    "this is not a backup of Preference Loop", "Give a file that `backup` wrote.", file=str(file)
                )
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise BadInput(
            f"the backup cannot be read: {error}", "Give a whole file that `backup` wrote.", file=str(file)
        ) from None


def _check(database: Path, file: Path) -> None:
    """Raise BadInput if the database of a backup is missing or damaged."""
    connections = Connections(database, synchronous="full")
    try:
        sound = database.is_file() and connections.database().conn.execute("PRAGMA quick_check").fetchone() == ("ok",)
    except (BadInput, sqlite3.DatabaseError):
        sound = False
    finally:
        connections.close()
    if not sound:
        raise BadInput("the database in the backup is damaged", "Give another backup.", file=str(file))
