# SPDX-License-Identifier: Apache-2.0
"""The interface of a launcher. The supervisor knows runs by their rows alone and asks the launcher for the rest."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from data.records import Run


class Launcher(Protocol):
    """A place where runs work. Every method may be called again after the supervisor was restarted."""

    def submit(self, run: Run) -> None:
        """Start a run that was claimed here, or ask the place to start a queued one. The latter is idempotent."""

    def sweep(self, queued: Collection[int]) -> None:
        """Take back what was submitted for runs that are no longer in the queue. `queued`: their ids."""

    def is_alive(self, run: Run) -> bool:
        """Return whether a running run still works. An unreachable place is no reason to say no."""

    def cancel(self, run: Run) -> None:
        """Ask a running run to save and stop; later stop it by force. Idempotent."""

    def explain_end(self, run: Run) -> str:
        """Return why a run ended without a report, and where its last lines are."""

    def forget(self, run: Run) -> None:
        """Drop what the launcher remembers of a run that has ended."""
