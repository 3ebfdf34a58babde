# SPDX-License-Identifier: Apache-2.0
"""Hostile files by the command line: one line each, no traceback, bounded memory and time.

Each import runs in a process of its own, whose peak memory the system reports at its end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.attack import MOST_MB, Report
from tests.attack.hostile_files import FILES
from tests.support import ROOT

MOST_SECONDS = 120.0
"""Seconds after which an import is stopped, which is a fault."""


class Ended(NamedTuple):
    """The end of an import: exit status, standard error, peak memory, seconds; status None if it was stopped."""

    status: int | None
    errors: str
    megabytes: int
    seconds: float


def main(home: Path, count: int = len(FILES)) -> Report:
    """Import that many kinds of hostile files."""
    home.parent.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    most, slowest = 0, 0.0
    for number, (name, (file_name, make, what)) in enumerate(list(FILES.items())[:count]):
        folder = home.parent / str(number)
        folder.mkdir()
        make(folder / file_name)
        ended = import_file(home, folder / file_name, what)
        most, slowest = max(most, ended.megabytes), max(slowest, ended.seconds)
        faults += [f"{name}: {fault}" for fault in judge(ended)]
        if (folder / file_name).is_file():
            (folder / file_name).unlink()
    return Report(f"{count} kinds of hostile files; peak {most} MB, slowest {slowest:.1f} s", faults)


def judge(ended: Ended) -> list[str]:
    """Return what is wrong with the end of an import."""
    if ended.status is None:
        return [f"not done after {ended.seconds:.0f} s"]
    lines = [line for line in ended.errors.splitlines() if line.strip()]
    faults = [f"a traceback: {lines[-1][:200]}"] if "Traceback" in ended.errors else []
    faults += [f"exit status {ended.status}"] if ended.status not in (0, 2) else []
    faults += [f"{len(lines)} lines of error: {lines[:3]}"] if ended.status == 2 and len(lines) != 1 else []
    faults += ["a raw escape code on the terminal"] if "\x1b" in ended.errors else []
    return faults + ([f"peak {ended.megabytes} MB"] if ended.megabytes > MOST_MB else [])


def import_file(home: Path, file: Path, what: str) -> Ended:
    """Import one file in a process of its own."""
    errors = file.parent / "stderr"
    began = time.monotonic()
    with errors.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "app.py", "import", str(file), "--as", what, "--home", str(home)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stream,
        )
    status = used = None
    while status is None and time.monotonic() - began < MOST_SECONDS:
        pid, code, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            status = process.returncode = os.waitstatus_to_exitcode(code)
        else:
            time.sleep(0.02)
    if status is None:
        process.kill()
        process.wait()
    text = errors.read_text(encoding="utf-8", errors="replace")
    return Ended(status, text, used.ru_maxrss // 1024 if used else 0, time.monotonic() - began)
