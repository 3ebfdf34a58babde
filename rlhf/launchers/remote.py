# SPDX-License-Identifier: Apache-2.0
"""Runs on the machines of workers: a worker asks this server for a run, and tells about it every second.

The supervisor starts nothing there. A run whose worker was silent for too long is lost. Time in which no server holds
the home does not count, since nobody could listen.
"""

from __future__ import annotations

import time

from data.records import Run
from data.store import Store
from labeling.texts.pages import stored_line
from rlhf.common.locks import SERVER, is_locked
from rlhf.launchers.elsewhere import delete_bundle

SILENT_SECONDS = 180.0
"""Seconds of a worker's silence, while the server works, after which its run is lost."""


class WorkerLauncher:
    """Listens to workers. Their runs are cancelled by the answers to what they send."""

    def __init__(self, store: Store, silent_seconds: float = SILENT_SECONDS) -> None:
        self.store, self.silent_seconds = store, silent_seconds
        self._heard: dict[int, tuple[str | None, float]] = {}

    def submit(self, run: Run) -> None:
        """Leave the run in the queue: a worker claims it."""

    def is_alive(self, run: Run) -> bool:
        """Return whether the worker was heard lately."""
        heard, since = self._heard.get(run.id, (None, 0.0))
        if heard is None or heard != run.heartbeat_at or not is_locked(self.store.home / SERVER):
            since = time.monotonic()
            self._heard[run.id] = (run.heartbeat_at, since)
        return time.monotonic() - since <= self.silent_seconds

    def cancel(self, run: Run) -> None:
        """Leave it to the answer that the worker gets."""

    def explain_end(self, run: Run) -> str:
        """Return that the worker is silent, and how to go on."""
        saved = any((self.store.home / "runs" / str(run.id)).glob("checkpoint/*"))
        key = "ended.silent_saved" if saved else "ended.silent"
        return stored_line(key, node=run.node, seconds=self.silent_seconds, run=run.public)

    def forget(self, run: Run) -> None:
        """Drop the time at which the worker was heard, and the run's bundle."""
        self._heard.pop(run.id, None)
        delete_bundle(self.store.home, run)
