# SPDX-License-Identifier: Apache-2.0
"""Attempts to send the rest of a run that is over to a server that answers with an unexpected error.

The pauses grow, and each is announced. After `PATIENCE` the worker gives up, and the result stays on the node.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

FIRST_PAUSE, LONGEST_PAUSE = 10.0, 600.0
"""Seconds of the first pause, and most seconds of a later one."""
PATIENCE = 6 * 3600.0
"""Seconds after the first error in which the worker tries again."""


class Unsent(Exception):
    """The server did not take the end of a run for too long."""


class Retries:
    """The attempts for one job; `say` prints a line about each pause, and `folder` is where the result lies."""

    def __init__(self, public: str, folder: Path, say: Callable[[str], None]) -> None:
        self.public, self.folder, self.say = public, folder, say
        self._pause = self._due_at = 0.0
        self._since: float | None = None

    @property
    def is_due(self) -> bool:
        """Return whether the next attempt may begin."""
        return time.monotonic() >= self._due_at

    def note_failure(self, problem: Exception) -> None:
        """Plan the next attempt and say when it comes; nothing in a pause. Raises Unsent after `PATIENCE`."""
        if not self.is_due:
            return
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if now - self._since >= PATIENCE:
            hours = f"{PATIENCE / 3600:g} h"
            raise Unsent(
                f"the server did not take the end of {self.public} for {hours}: {problem}."
                f" Its result lies in {self.folder}"
            )
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
        self._due_at = now + self._pause
        self.say(
            f"{self.public} is over, and the server does not take its end: {problem}."
            f" It waits in {self.folder}. The next attempt is in {self._pause:.0f} s."
        )
