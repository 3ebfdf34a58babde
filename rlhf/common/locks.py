# SPDX-License-Identifier: Apache-2.0
"""Locks of a home for one server and one supervisor: advisory file locks that the kernel releases with the process."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import IO

SERVER = "serve.lock"
SUPERVISOR = "supervisor.lock"


def acquire_lock(path: Path, patience: float = 1.0) -> IO[str] | None:
    """Return the open file that carries the exclusive lock, or None if another process has it.

    Tries for `patience` seconds, since `is_locked` takes the lock for an instant. Closing the file releases it.
    """
    file = path.open("a")
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            if time.monotonic() > deadline:
                file.close()
                return None
            time.sleep(0.05)


def take_inherited_lock(path: Path) -> IO[str] | None:
    """Return the locked file that this process inherited as its standard input, or None.

    Standard input is then the null device, so the lock ends when the returned file is closed.
    """
    try:
        is_lock = path.exists() and os.path.samestat(os.fstat(0), path.stat())
    except OSError:  # standard input is closed
        return None
    if not is_lock:
        return None
    file = os.fdopen(os.dup(0), "a")
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    return file


def is_locked(path: Path) -> bool:
    """Return whether a living process holds the lock."""
    if not path.exists():
        return False
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
