# SPDX-License-Identifier: Apache-2.0
"""The context of a run inside its own process.

It gives access to the row and the folder, reports progress and heartbeats, and receives the request to stop.
A run may have several processes. Then only the main one writes to the store and to the run's folder, through `once`.
"""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from data.records import Run
from data.store import Store

TRAINER_STATE_FILE = "trainer_state.json"
"""The file that transformers writes last into a checkpoint; a checkpoint without it is incomplete."""
SECONDS = "seconds"
"""The curve of the time that the run's process has worked; every reported step has a point on it."""
Result = TypeVar("Result")
PROGRESS_SECONDS = 0.5
METRIC_PROGRESS_SECONDS = 5.0
CANCEL_POLL_SECONDS = 1.0


class Cancelled(Exception):
    """Training stopped on request and has saved what a resumed run needs."""


@dataclass
class RunResult:
    """The public ids that a run produced, and its report."""

    produced: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)


class RunContext:
    """A run as its own code sees it. Created in the main thread, it handles SIGTERM as a request to stop."""

    def __init__(self, store: Store, run: Run) -> None:
        self.store = store
        self.run = run
        self.folder: Path = store.home / "runs" / str(run.id)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._stop = run.cancel_requested
        self._began, self._asked_at = time.monotonic(), 0.0
        self._wrote_at = self._marked_at = 0.0
        self._waits_for = ""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._terminate)

    def once(self, work: Callable[[], Result]) -> Result:
        """Return the result of `work`, which one process of the run does. All processes must call it at this place.

        Every write to the store and to the run's folder goes through here.
        """
        return work()

    def checkpoints(self) -> Path:
        """Return the folder of this run's checkpoints.

        A resumed run finds copies of the complete checkpoints of the run that it resumes.
        """
        folder = self.folder / "checkpoint"
        if self.run.resumes is not None and not folder.exists():
            before = self.store.home / "runs" / str(self.run.resumes) / "checkpoint"
            if before.is_dir():
                _copy(before, folder)
        folder.mkdir(exist_ok=True)
        return folder

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Record the progress, at most twice a second and at the end; it counts as a heartbeat. Prints nothing."""
        if done >= total or time.monotonic() - self._wrote_at >= PROGRESS_SECONDS:
            self._wrote_at = time.monotonic()
            self.store.runs.progress(self.run.id, done, total, note)

    def mark_waiting(self, note: str) -> None:
        """Record what the run waits for, "" if for nothing. The progress stays, and its next record replaces the note.

        An unchanged note is not written again.
        """
        if note != self._waits_for:
            self._waits_for = note
            run = self.store.runs.get(self.run.id)
            self.store.runs.progress(run.id, run.done, run.total, note)

    def metric(self, step: int, **values: float) -> None:
        """Add one step's values and its time to the run's curves.

        It counts as progress, recorded at most every 5 s.
        """
        self.store.metrics.log(self.run.id, step, values | {SECONDS: time.monotonic() - self._began})
        if time.monotonic() - max(self._wrote_at, self._marked_at) >= METRIC_PROGRESS_SECONDS:
            self._marked_at = time.monotonic()
            self.store.runs.mark_progress(self.run.id)

    def sample(self, step: int, **fields: Any) -> None:  # noqa: ANN401 (the values of columns and fields have many types)
        """Store a sample text of a training step."""
        self.store.metrics.sample(self.run.id, step, fields)

    def cancelled(self) -> bool:
        """Return whether somebody asked the run to stop (SIGTERM or the row, read at most once a second).

        Once True, it stays True. The processes of a run decide it together, so all must call it at this place.
        """
        if not self._stop and time.monotonic() - self._asked_at >= CANCEL_POLL_SECONDS:
            self._asked_at = time.monotonic()
            self._stop = self.store.runs.get(self.run.id).cancel_requested
        return self._stop

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self._stop = True


def _copy(before: Path, folder: Path) -> None:
    """Copy a folder under a temporary name, then rename it: a killed process leaves no half copy."""
    draft = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(before, draft, ignore=_not_whole)
    draft.rename(folder)


def _not_whole(folder: str, names: list[str]) -> list[str]:
    return [
        name
        for name in names
        if name.startswith("checkpoint-") and not (Path(folder) / name / TRAINER_STATE_FILE).is_file()
    ]
