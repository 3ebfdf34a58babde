# SPDX-License-Identifier: Apache-2.0
"""The server's side of figures on labels: a process computes them, so that labelers never wait for the interpreter.

The process starts when somebody asks for figures. One that was killed is started again by the next question.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

from data.logs import LOG
from data.store import Store
from labeling.quality.figures_worker import Computed

ROOT = Path(__file__).resolve().parents[2]
SHORT_SECONDS = 0.5
"""Figures that take less processor time are worth waiting for, and need no pause."""
REST_FACTOR = 1.0
"""The pause after longer ones, in their processor time: at most half of a core works on figures."""


RETRY_SECONDS = 60.0
"""The pause after a second process that failed: the next one reads all labels first, and would often fail too."""


class FiguresProcess:
    """The process of one home, and the newest figures by name. Thread-safe.

    `failures` has the exit status of the process that ended while it computed the figures of a name.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.changed = threading.Condition()
        self.newest: dict[str, Computed] = {}
        self.pending: set[str] = set()
        self.failures: dict[str, int] = {}
        self.child: subprocess.Popen[bytes] | None = None
        self._resting_until: dict[str, float] = {}

    def ask(self, name: str) -> None:
        """Let the process compute these figures, unless it does or rests."""
        with self.changed:
            if name in self.pending or time.monotonic() < self._resting_until.get(name, 0.0):
                return
            self.child = self.child or self._start()
            self.pending.add(name)
            assert self.child.stdin
            with suppress(BrokenPipeError, ValueError):  # it ends: `_read` sees that; the next question starts another
                os.write(self.child.stdin.fileno(), f"{name}\n".encode())

    def wait(self, name: str, seconds: float | None = None) -> None:
        """Wait for the figures that the process computes now, at most for so many seconds."""
        with self.changed:
            self.changed.wait_for(lambda: name not in self.pending, seconds)

    def compute(self, name: str) -> Any:  # noqa: ANN401 (each name has figures of its own type)
        """Return figures of all labels that are there now; wait for them.

        Raises RuntimeError if the process ends meanwhile.
        """
        self.wait(name)  # what it computes now may lack the newest labels
        with self.changed:
            for stored in (self.newest, self._resting_until):
                stored.pop(name, None)
        self.ask(name)
        self.wait(name)
        if name not in self.newest:
            raise RuntimeError(f"the process that computes {name!r} ended before it answered")
        return self.newest[name].figures

    def end(self) -> None:
        """End the process, also in the middle of its work: it only reads."""
        with self.changed:
            if self.child and self.child.stdin:
                self.child.stdin.close()

    def _start(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-m", "labeling.quality.figures_worker", str(self.home.resolve())],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the server's
        )
        threading.Thread(target=self._read, args=(child,), daemon=True).start()
        return child

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdin
        assert child.stdout
        try:
            while True:
                self._keep(Computed(*pickle.load(child.stdout)))  # written by our own process
        except (EOFError, pickle.UnpicklingError):  # it ended, perhaps in the middle of an answer
            pass
        finally:
            child.stdin.close()
            status = child.wait()
            with self.changed:
                self.child = None
                if status:
                    LOG.warning("the process that computes figures ended with status %s", status)
                    again = self.pending & self.failures.keys()
                    self._resting_until |= dict.fromkeys(again, time.monotonic() + RETRY_SECONDS)
                    self.failures |= dict.fromkeys(self.pending, status)
                self.pending.clear()
                self.changed.notify_all()

    def _keep(self, computed: Computed) -> None:
        with self.changed:
            self.newest[computed.name] = computed
            self.pending.discard(computed.name)
            self.failures.pop(computed.name, None)
            if computed.seconds > SHORT_SECONDS:
                self._resting_until[computed.name] = time.monotonic() + REST_FACTOR * computed.seconds
            self.changed.notify_all()


PROCESSES: weakref.WeakKeyDictionary[Store, FiguresProcess] = weakref.WeakKeyDictionary()
"""One for each open store."""
OPENING = threading.Lock()


def process_of(store: Store) -> FiguresProcess:
    """Return the store's process, which ends with the store."""
    with OPENING:
        process = PROCESSES.get(store)
        if process is None:
            process = PROCESSES[store] = FiguresProcess(store.home)
            weakref.finalize(store, process.end)
        return process
