# SPDX-License-Identifier: Apache-2.0
"""The context of a run that several processes share: they decide together, and the main process alone writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from data.run_context import RunContext

Result = TypeVar("Result")


class SharedContext(RunContext):
    """The run's context in its main process."""

    def once(self, work: Callable[[], Result]) -> Result:
        """Return the result of `work`, which the main process does."""
        from reward.base import distributed  # with torch

        return distributed.once(work)

    def cancelled(self) -> bool:
        """Return whether a process of the run was asked to stop. All must call it, but for one that works alone."""
        from reward.base import distributed  # with torch

        return distributed.any_rank(super().cancelled())


class SecondaryContext(SharedContext):
    """The run's context in a secondary process: it reads the store and writes nothing."""

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Leave the report to the main process."""

    def mark_waiting(self, note: str) -> None:
        """Leave the note to the main process, which waits for the same servers."""

    def metric(self, step: int, **values: float) -> None:
        """Leave the curves to the main process."""

    def sample(self, step: int, **fields: object) -> None:
        """Leave the samples to the main process."""
