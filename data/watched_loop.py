# SPDX-License-Identifier: Apache-2.0
"""Loops that must never end. An exception is logged and the loop continues after a pause.

Invariant: whoever asks `trouble` learns of a loop that is dead, stuck or failing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from data.logs import LOG

STUCK_SECONDS = 60.0
"""Seconds of one piece of work after which a loop counts as stuck. A store that is locked takes 10."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds between two attempts of a loop whose work fails; the pause doubles each time."""

T = TypeVar("T")


class WatchedLoop(Generic[T]):
    """A daemon thread that repeats `work(wait())`. `wait` may block as long as it likes; only work is timed."""

    def __init__(
        self,
        name: str,
        wait: Callable[[], T],
        work: Callable[[T], object],
        stuck_seconds: float = STUCK_SECONDS,
    ) -> None:
        self.name, self.wait, self.work, self.stuck_seconds = name, wait, work, stuck_seconds
        self.starting = threading.Lock()
        self.thread: threading.Thread | None = None
        self.working_since: float | None = None
        self.failing_since: float | None = None

    def start(self) -> None:
        """Start the thread unless it runs."""
        with self.starting:
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                self.thread.start()

    def trouble(self) -> str:
        """Return what is wrong, for a monitor: dead, or stuck or failing with its seconds. "" is healthy."""
        thread, working_since, failing_since = self.thread, self.working_since, self.failing_since
        if thread is None:
            return ""
        if not thread.is_alive():
            return "dead"
        if working_since is not None and time.monotonic() - working_since > self.stuck_seconds:
            return f"stuck for {time.monotonic() - working_since:.0f} s"
        return f"failing for {time.monotonic() - failing_since:.0f} s" if failing_since is not None else ""

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                waited_for = self.wait()
                self.working_since = time.monotonic()
                self.work(waited_for)
                self.failing_since, pause = None, FIRST_PAUSE
            except BaseException:  # also SystemExit: nothing that the work does may end the loop
                LOG.exception("the loop %s failed and continues", self.name)
                self.failing_since = self.failing_since or time.monotonic()
                self.working_since = None
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            finally:
                self.working_since = None
