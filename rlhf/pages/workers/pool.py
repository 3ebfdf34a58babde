# SPDX-License-Identifier: Apache-2.0
"""The labeling processes of a server: started, heard, and started again when one ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket

from data.watched_loop import WatchedLoop
from labeling.accounts.presence import Presence
from labeling.http.proxy import ServedAddress
from rlhf.pages.workers.process import WorkerOptions

ROOT = Path(__file__).resolve().parents[3]
GRACE_SECONDS = 10.0
"""Seconds that a process has to finish its requests."""


class Worker:
    """One labeling process, and the loop that hears and restarts it."""

    def __init__(self, number: int, options: WorkerOptions, presence: Presence) -> None:
        self.options, self.presence, self.ended = options, presence, False
        self.process = self._start()
        self.loop: WatchedLoop[str] = WatchedLoop(f"labeling process {number}", self._read_line, self._record_presence)
        self.loop.start()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "rlhf.pages.workers.process", self.options.as_text()],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[self.options.listener],
            text=True,
            start_new_session=True,  # Ctrl-C is the server's
        )

    def _read_line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()

    def _record_presence(self, line: str) -> None:
        if line:
            for account in json.loads(line):
                self.presence.record(account)
            return
        status = self.process.wait()
        if self.ended:
            time.sleep(GRACE_SECONDS)  # the server ends, and this thread with it
        else:
            self.process = self._start()
            raise RuntimeError(f"a labeling process ended with status {status} and is started again")

    def end(self) -> None:
        """End the process; it finishes its requests first."""
        self.ended = True
        assert self.process.stdin
        self.process.stdin.close()

    def wait(self) -> None:
        """Wait until it has ended."""
        try:
            self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def labeling_processes(
    count: int, listener: socket, home: Path, address: ServedAddress, log_json: bool, presence: Presence
) -> Iterator[tuple[socket, list[WatchedLoop]]]:
    """Start the processes; yield the socket of the requests that they pass on, and the loops that watch them.

    `presence` records the accounts that they see.
    """
    folder = Path(tempfile.mkdtemp(prefix="preference-loop-"))  # a socket's path has at most 107 bytes
    inner = socket(AF_UNIX, SOCK_STREAM)
    try:
        inner.bind(str(folder / "server"))
        os.chmod(folder / "server", 0o600)
        inner.listen(1024)
        options = WorkerOptions(listener.fileno(), str(folder / "server"), str(home.resolve()), address, log_json)
        workers = [Worker(number + 1, options, presence) for number in range(count)]
        try:
            yield inner, [worker.loop for worker in workers]
        finally:
            for worker in workers:
                worker.end()
            for worker in workers:
                worker.wait()
    finally:
        inner.close()
        shutil.rmtree(folder, ignore_errors=True)
