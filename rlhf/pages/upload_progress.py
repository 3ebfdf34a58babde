# SPDX-License-Identifier: Apache-2.0
"""Progress of files that the server reads: one for each account, for as long as the call that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from data.records import Account
from data.transfer.progress_bar import Progress
from labeling.texts.pages import text
from rlhf.pages.markup import esc


class Reading(NamedTuple):
    """A file and its progress, in the terms of `data.transfer.progress_bar.Progress`."""

    file: str
    stage: str = "read"
    rows: int = 0
    share: float | None = None


class ReadingCancelled(Exception):
    """Somebody cancelled the reading of this file; `data.transfer` then keeps none of its rows."""


class Readings:
    """The files that are being read, one for each account."""

    def __init__(self) -> None:
        self._now: dict[int, Reading] = {}
        self._cancelled: set[int] = set()

    @contextmanager
    def of(self, account: Account, file: str) -> Iterator[Progress]:
        """Register the file that an account reads until the call ends; yield the function that reports progress.

        The function raises ReadingCancelled after `cancel`.
        """

        def report(stage: str, rows: int, share: float | None) -> None:
            if account.id in self._cancelled:
                raise ReadingCancelled(file)
            self._now[account.id] = Reading(file, stage, rows, share)

        self._cancelled.discard(account.id)
        self._now[account.id] = Reading(file)
        try:
            yield report
        finally:
            self._now.pop(account.id, None)

    def cancel(self, account: Account) -> None:
        """Let the account's reading end at the next report of its progress."""
        if account.id in self._now:
            self._cancelled.add(account.id)

    def draw(self, account: Account) -> str:
        """Return the progress bar of this account's file; empty if none is being read."""
        reading = self._now.get(account.id)
        if reading is None:
            return ""
        line = text(f"data.progress_{reading.stage}", file=reading.file, n=reading.rows)
        if reading.share is None:
            return f"<div class=card role=status>{esc(line)}</div>"
        bar = f"<div class=bar><i style='width:{100 * reading.share:.0f}%'></i></div>"
        return f"<div class=card role=status>{esc(line)}, {int(100 * reading.share)} %{bar}</div>"
