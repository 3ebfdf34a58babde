# SPDX-License-Identifier: Apache-2.0
"""Backup and restore: one tar file with a consistent copy of both databases and the folders of all models.

A backup may run while the home is in use. SQLite copies each database at one moment (VACUUM INTO), and a model's
folder exists before its row is committed. The databases are copied first, so the file holds every row's folder.
"""

from __future__ import annotations

import fcntl
import json
import math
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Literal

from sqlite_utils.utils import sqlite3

from data.clock import now
from data.errors import BadInput
from data.formats.writing import atomic_file, atomic_folder
from data.sqlite.connection import Connections
from data.sqlite.damage import find_damage, read_only
from data.sqlite.schema_objects import compare_schema
from data.store import FILE, Store
from data.tables.metrics import FILE as METRICS
from data.tables.model_rows import INSIDE
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

    Raises BadInput if the home is in use or not empty, or if the file is not a whole backup, or if it holds members
    or objects of a database that `back_up` does not write.
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
    """Unpack the members that `back_up` writes: manifest, databases, then model folders. Raises BadInput for others."""
    allowed: tuple[PurePosixPath, ...] | None = None
    try:
        with tarfile.open(file) as archive:
            first = archive.next()
            if first is None or first.name != MANIFEST:
                raise BadInput(
                    "this is not a backup of Preference Loop", "Give a file that `backup` wrote.", file=str(file)
                )
            for member in archive:
                if member.name in (MANIFEST, FILE, METRICS) and member.isreg():
                    archive.extract(member, folder, filter="data")
                    continue
                if allowed is None:
                    _check(folder / FILE, file)
                    allowed = _model_folders(folder / FILE)
                _refuse_member(member, allowed, file)
                archive.extract(member, folder, filter="data")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise BadInput(
            f"the backup cannot be read: {error}", "Give a whole file that `backup` wrote.", file=str(file)
        ) from None


def _model_folders(database: Path) -> tuple[PurePosixPath, ...]:
    """Return the folders that a backup may hold: the usual ones, and others in the home that model rows name."""
    query = "SELECT base, adapter FROM policies UNION ALL SELECT base, adapter FROM reward_models"
    with read_only(database) as connection:
        named = [place.removeprefix(INSIDE) for row in connection.execute(query) for place in row if place]
    places = (PurePosixPath(place) for place in (*FOLDERS, *named))
    return tuple(place for place in places if place.parts and not place.is_absolute() and ".." not in place.parts)


def _refuse_member(member: tarfile.TarInfo, allowed: tuple[PurePosixPath, ...], file: Path) -> None:
    """Raise BadInput for a member that `back_up` does not write."""
    place = PurePosixPath(member.name)
    inside = ".." not in place.parts and any(place.is_relative_to(folder) for folder in allowed)
    if not inside or not (member.isreg() or member.isdir()):
        raise BadInput(
            f"the backup holds {member.name[:80]!r}, which `backup` does not write",
            "Give another backup.",
            file=str(file),
        )


def _check(database: Path, file: Path) -> None:
    """Raise BadInput if the database of a backup is missing or damaged, or has objects that no migration creates."""
    try:
        sound = database.is_file() and find_damage(database, seconds=math.inf) is None
        with read_only(database) if sound else nullcontext() as connection:
            differences = compare_schema(connection) if sound else []
    except (BadInput, sqlite3.DatabaseError):
        sound = False
    if not sound:
        raise BadInput("the database in the backup is damaged", "Give another backup.", file=str(file))
    if differences:
        raise BadInput(f"in the backup {differences[0]}", "Give another backup.", file=str(file))
