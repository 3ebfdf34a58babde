# SPDX-License-Identifier: Apache-2.0
"""The identity of a run's process: it survives neither a reused pid nor a restart of the machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Identity(NamedTuple):
    """A process for all time: its pid, when it was made (seconds since 1970), and the machine's boot."""

    pid: int
    pid_started: float
    boot_id: str


def identify_process(pid: int | None = None) -> Identity:
    """Return the identity of a living process, this one by default. Raises psutil.NoSuchProcess."""
    pid = os.getpid() if pid is None else pid
    return Identity(pid, psutil.Process(pid).create_time(), read_boot_id())


def read_boot_id() -> str:
    """Return an identifier of the machine's current boot."""
    return BOOT_ID.read_text().strip() if BOOT_ID.exists() else str(int(psutil.boot_time()))


def is_process_alive(process: Identity) -> bool:
    """Return whether that very process is alive; a zombie is not."""
    if process.boot_id != read_boot_id():
        return False
    try:
        running = psutil.Process(process.pid)
        same = abs(running.create_time() - process.pid_started) < 1.0
        return same and running.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
