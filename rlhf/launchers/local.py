# SPDX-License-Identifier: Apache-2.0
"""Runs on this machine: a process group each.

The row names the process by id, start time and boot id, since process ids are reused. So the launcher of the next
supervisor adopts a living process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

from data.records import Run
from data.store import Store
from data.tables.process_identity import identify_process

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {"OMP_WAIT_POLICY": "passive", **os.environ, "PYTHONUNBUFFERED": "1"}
"""Environment of runs: a copy of this process's own, so later changes of the server's do not affect runs.

Idle threads sleep. By default they spin, and then a second busy program makes a small model tens of times slower.
"""
GRACE = 30.0
"""Seconds from SIGTERM, which makes a run save its checkpoint, to SIGKILL."""

Command = Callable[[int, Path], list[str]]


def worker_command(run_id: int, home: Path) -> list[str]:
    """Return the argument list that starts a run's process; never a shell line."""
    return [sys.executable, "-m", "rlhf.runs.worker", str(run_id), "--home", str(home)]


class LocalLauncher:
    """Starts process groups, signals them, and knows the exit status of those that it started itself."""

    def __init__(self, store: Store, command: Command = worker_command, grace: float = GRACE) -> None:
        self.store = store
        self.command = command
        self.grace = grace
        self.children: dict[int, subprocess.Popen] = {}
        self._cancelled_at: dict[int, float] = {}

    def submit(self, run: Run) -> None:
        """Start the run's process in its own group, with its output in runs/17/log.txt."""
        log = self._log(run)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            child = subprocess.Popen(
                self.command(run.id, self.store.home),
                cwd=ROOT,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=ENVIRONMENT,
            )
        self.children[run.id] = child
        self.store.runs.start(run.id, *identify_process(child.pid))

    def is_alive(self, run: Run) -> bool:
        """Return whether the run's process is alive; a zombie is not."""
        if child := self.children.get(run.id):
            child.poll()
        return self.store.runs.is_alive(run)

    def cancel(self, run: Run) -> None:
        """Send SIGTERM to the group once, and SIGKILL after the grace period."""
        assert run.pid is not None, "a living run has a process"
        now = time.monotonic()
        if run.id not in self._cancelled_at:
            self._cancelled_at[run.id] = now
            _signal_group(run.pid, signal.SIGTERM)
        elif now - self._cancelled_at[run.id] > self.grace:
            _signal_group(run.pid, signal.SIGKILL)

    def explain_end(self, run: Run) -> str:
        """Return the exit status if this launcher started the process, and the place of the log."""
        child = self.children.get(run.id)
        code = child.poll() if child else None
        reason = f" ({_describe_exit(code)})" if code is not None else ""
        return f"its process ended without a report{reason}. See the last lines of {self._log(run)}"

    def forget(self, run: Run) -> None:
        """Drop the process and its cancellation."""
        self.children.pop(run.id, None)
        self._cancelled_at.pop(run.id, None)

    def sweep(self, queued: Collection[int]) -> None:
        """Do nothing: a run that waits here has no process."""

    def collect(self, running: set[int]) -> None:
        """Collect the processes of runs that wrote their own end."""
        self.children = {id: child for id, child in self.children.items() if id in running or child.poll() is None}

    def _log(self, run: Run) -> Path:
        return self.store.home / "runs" / str(run.id) / "log.txt"


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _describe_exit(code: int) -> str:
    if code == os.EX_IOERR:
        return "the disk was full: free some space, then resume the run or start it again"
    if code == -signal.SIGKILL:
        return "killed, perhaps because memory ran out"
    return f"signal {-code}" if code < 0 else f"exit status {code}"
