# SPDX-License-Identifier: Apache-2.0
"""The supervisor: one small process per home that starts queued runs, cancels runs and detects lost ones.

A run is a row in the store; its launcher knows where it works. The supervisor may die at any moment: the next one
reads the rows and asks the launchers again.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from data.errors import StoreTrouble
from data.logs import bound_log_file
from data.sqlite.disk_full import is_disk_full
from data.store import Store
from data.tables.runs import LOCAL
from rlhf.common.locks import SERVER, SUPERVISOR, acquire_lock, is_locked, take_inherited_lock
from rlhf.kinds import PARALLEL_KINDS
from rlhf.launchers.local import ENVIRONMENT, GRACE, ROOT, Command, LocalLauncher, worker_command
from rlhf.launchers.ray import RayLauncher
from rlhf.launchers.remote import WorkerLauncher
from rlhf.launchers.run_queue import RunQueue
from rlhf.runs.webhook import WebhookSender
from rlhf.scoring.scorer import LiveScorer

DISK_RETRY_SECONDS = 5.0
"""Seconds between two attempts while the disk is full."""


class Supervisor:
    """Watches one home: `step` acts once and returns whether there is work.

    That is a run that is queued or running, a run's end that is being sent, or new comparisons that are being scored.
    """

    def __init__(self, home: Path, command: Command = worker_command, grace: float = GRACE) -> None:
        self.store = Store(home)
        self.local = LocalLauncher(self.store, command, grace)
        elsewhere = {"worker": WorkerLauncher(self.store), "ray": RayLauncher(self.store)}
        self.queue = RunQueue(self.store, self.local, elsewhere)
        self.webhook = WebhookSender(self.store)
        self.scorer = LiveScorer(self.store, ENVIRONMENT)

    def step(self) -> bool:
        """Start, check and cancel runs, and do what follows from runs."""
        at_work = self.queue.step()
        busy = any(run.launcher == LOCAL and run.kind not in PARALLEL_KINDS for run in at_work)
        return bool(at_work) | self.webhook.step() | self.scorer.step(busy)


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
