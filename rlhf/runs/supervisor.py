# SPDX-License-Identifier: Apache-2.0
"""The supervisor: one small process per home that starts queued runs, cancels runs and detects lost ones.

A run is a row in the store and a process group. The worker writes its own end (done, failed, cancelled); the
supervisor only decides `lost`. The supervisor may die at any moment: the next one adopts a living worker by process
id, start time and boot id, since process ids are reused.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from data.errors import StoreTrouble
from data.logs import bound_log_file
from data.records import Run
from data.sqlite.disk_full import is_disk_full
from data.store import Store
from data.tables.process_identity import identify_process
from rlhf.common.locks import SERVER, SUPERVISOR, acquire_lock, is_locked, take_inherited_lock
from rlhf.kinds import PARALLEL_KINDS
from rlhf.runs.webhook import WebhookSender
from rlhf.scoring.scorer import LiveScorer

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {"OMP_WAIT_POLICY": "passive", **os.environ, "PYTHONUNBUFFERED": "1"}
"""Environment of runs: a copy of this process's own, so later changes of the server's do not affect runs.

Idle threads sleep. By default they spin, and then a second busy program makes a small model tens of times slower.
"""
GRACE = 30.0
"""Seconds from SIGTERM, which makes a run save its checkpoint, to SIGKILL."""
DISK_RETRY_SECONDS = 5.0
"""Seconds between two attempts while the disk is full."""

Command = Callable[[int, Path], list[str]]


def worker_command(run_id: int, home: Path) -> list[str]:
    """Return the argument list that starts a run's process; never a shell line."""
    return [sys.executable, "-m", "rlhf.runs.worker", str(run_id), "--home", str(home)]


class Supervisor:
    """Watches one home: `step` acts once and returns whether there is work.

    That is a run that is queued or running, a run's end that is being sent, or new comparisons that are being scored.
    """

    def __init__(self, home: Path, command: Command = worker_command, grace: float = GRACE) -> None:
        self.store = Store(home)
        self.home = Path(home)
        self.command = command
        self.grace = grace
        self.webhook = WebhookSender(self.store)
        self.scorer = LiveScorer(self.store, ENVIRONMENT)
        self.children: dict[int, subprocess.Popen] = {}
        self.cancelled_at: dict[int, float] = {}

    def step(self) -> bool:
        """Check the running runs, start the oldest queued run if nothing blocks it, and do what follows from runs."""
        running = self.store.runs.all(state="running")
        for run in running:
            self.check_run(run)
        running_ids = {run.id for run in running}
        self.children = {id: child for id, child in self.children.items() if id in running_ids or child.poll() is None}
        claimed = self.store.runs.claim(beside=PARALLEL_KINDS)
        if claimed is not None:
            self.start(claimed)
        at_work = [*running, *([claimed] if claimed else [])]
        busy = any(run.kind not in PARALLEL_KINDS for run in at_work)
        return bool(at_work) | self.webhook.step() | self.scorer.step(busy)

    def start(self, run: Run) -> None:
        """Start the run's process in its own group, with its output in runs/17/log.txt."""
        folder = self.home / "runs" / str(run.id)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("ab") as log:
            child = subprocess.Popen(
                self.command(run.id, self.home),
                cwd=ROOT,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=ENVIRONMENT,
            )
        self.children[run.id] = child
        self.store.runs.start(run.id, *identify_process(child.pid))

    def check_run(self, run: Run) -> None:
        """Cancel the run if somebody asked for it; mark it ended if its process is gone."""
        child = self.children.get(run.id)
        code = child.poll() if child else None
        bound_log_file(self.home / "runs" / str(run.id) / "log.txt")
        if not self.store.runs.is_alive(run):
            self.mark_ended(run, code)
        elif run.cancel_requested:
            self.cancel(run)

    def cancel(self, run: Run) -> None:
        """Send SIGTERM to the group once, and SIGKILL after the grace period."""
        assert run.pid is not None, "a living run has a process"
        now = time.monotonic()
        if run.id not in self.cancelled_at:
            self.cancelled_at[run.id] = now
            _signal_group(run.pid, signal.SIGTERM)
        elif now - self.cancelled_at[run.id] > self.grace:
            _signal_group(run.pid, signal.SIGKILL)

    def mark_ended(self, run: Run, code: int | None) -> None:
        """Write the end of a run whose process is gone, unless the process wrote it; then forget the process."""
        if self.store.runs.get(run.id).state == "running":
            if run.cancel_requested:
                self.store.runs.finish(run.id, "cancelled", error="ended before it could save")
            else:
                reason = f" ({_describe_exit(code)})" if code is not None else ""
                log = self.home / "runs" / str(run.id) / "log.txt"
                self.store.runs.finish(
                    run.id, "lost", error=f"its process ended without a report{reason}. See the last lines of {log}"
                )
        self.children.pop(run.id, None)
        self.cancelled_at.pop(run.id, None)


def supervise(home: Path, command: Command = worker_command, *, poll: float = 0.3, grace: float = GRACE) -> None:
    """Run until nothing is queued or running and no server holds the home.

    Returns at once if another supervisor watches. After releasing the lock it checks again, for runs queued in
    between.
    """
    home = Path(home).resolve()
    while (lock := take_inherited_lock(home / SUPERVISOR) or acquire_lock(home / SUPERVISOR)) is not None:
        supervisor = Supervisor(home, command, grace)
        while _step(supervisor) or is_locked(home / SERVER):
            time.sleep(poll)
        lock.close()
        if not supervisor.store.runs.all(state="queued"):
            return


def ensure(home: Path) -> None:
    """Start a detached supervisor unless one watches this home; call it after enqueuing.

    The new process inherits the lock as its standard input. So a second one never starts while the first one loads.
    """
    home = Path(home).resolve()
    if is_locked(home / SUPERVISOR) or (lock := acquire_lock(home / SUPERVISOR)) is None:
        return
    bound_log_file(home / "supervisor.log")
    with lock, (home / "supervisor.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, str(ROOT / "app.py"), "supervise", "--home", str(home)],
            cwd=ROOT,
            start_new_session=True,
            stdin=lock,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
        )


def _step(supervisor: Supervisor) -> bool:
    """Do one step; wait and report work if the disk is full."""
    try:
        return supervisor.step()
    except (StoreTrouble, OSError) as problem:
        if not is_disk_full(problem):
            raise
        time.sleep(DISK_RETRY_SECONDS)
        return True


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
