"""One server and one supervisor per home: advisory file locks that the kernel drops with the process."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path
from typing import IO

SERVER = "serve.lock"
SUPERVISOR = "supervisor.lock"


def acquire_lock(path: Path, patience: float = 1.0) -> IO[str] | None:
    """The open file that carries the exclusive lock, or None where somebody else has it.

    Tries for `patience` seconds, since `held` takes the lock for an instant. Closing the file lets go.
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


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock."""
    if not path.exists():
        return False
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
