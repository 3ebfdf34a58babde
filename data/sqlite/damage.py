# SPDX-License-Identifier: Apache-2.0
"""Detection of a damaged or lost store without writing to it. A lost store is never taken for a first start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlite_utils.utils import sqlite3

from data.errors import BadInput, StoreTrouble
from data.sqlite.connection import CHECK, TranslatingConnection

COMPANIONS = ("metrics.db", "policies", "rewards", "runs")
"""Files and folders that a home gets only after its store."""
QUICK_SECONDS = 3.0
"""Time limit of the check before `serve`. It covers a store of about one gigabyte."""
STEPS = 10_000
"""SQLite instructions between two looks at the clock."""


def refuse_lost_store(path: Path) -> None:
    """Raise StoreTrouble if the store is missing or empty, while other files show that the home is in use."""
    companions = [name for name in COMPANIONS if (path.parent / name).exists()]
    if not companions or (path.exists() and path.stat().st_size):
        return
    state = "empty (0 bytes)" if path.exists() else "missing"
    raise StoreTrouble(
        f"the store is {state}, but {companions[0]} beside it shows that this home is in use",
        "Restore a backup into a new home.",
        file=str(path),
    )


def no_store(home: Path) -> BadInput:
    """Return the refusal to read a home that has no store."""
    return BadInput("there is no store in this home", "Name the home with --home.", file=str(home))


@contextmanager
def read_only(path: Path) -> Iterator[Any]:
    """Open a SQLite file that this block cannot change; tables of its own are temporary."""
    address = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, factory=TranslatingConnection)
    connection.path = path
    try:
        yield connection
    finally:
        connection.close()


def find_damage(path: Path, seconds: float = QUICK_SECONDS) -> StoreTrouble | None:
    """Return the error for the first damage that `PRAGMA quick_check` finds within some seconds, or None.

    A store that takes longer counts as sound; `store check` has no limit.
    """
    if not path.is_file():
        return None
    end = time.monotonic() + seconds
    try:
        with read_only(path) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > end, STEPS)
            message = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except StoreTrouble as trouble:
        return trouble
    except sqlite3.DatabaseError as error:
        if "interrupted" in str(error):
            return None
        message = str(error)
    if message == "ok":
        return None
    return StoreTrouble(f"the store is damaged: {' '.join(message.split())}", CHECK, file=str(path))


def refuse_damaged_store(path: Path) -> None:
    """Raise BadInput if the store is lost, or damaged as far as a quick check sees."""
    refuse_lost_store(path)
    damage: BadInput | None = find_damage(path)
    if damage:
        raise damage
