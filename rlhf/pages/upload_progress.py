"""How far a file is that somebody reads: kept for as long as the call that reads it, shown to whoever pressed the button."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from data.records import Account
from data.transfer.progress_bar import Progress
from rlhf.pages.components import esc


class Reading(NamedTuple):
    """A file and how far it is, as `data.transfer.progress_bar.Progress` is told."""

    file: str
    stage: str = "read"
    rows: int = 0
    share: float | None = None


class Readings:
    """The files that are being read, one for each person."""

    def __init__(self) -> None:
        self._now: dict[int, Reading] = {}

    @contextmanager
    def of(self, account: Account, file: str) -> Iterator[Progress]:
        """Who reads what; told how far, until the call ends."""

        def tell(stage: str, rows: int, share: float | None) -> None:
            self._now[account.id] = Reading(file, stage, rows, share)

        self._now[account.id] = Reading(file)
        try:
            yield tell
        finally:
            self._now.pop(account.id, None)

    def draw(self, account: Account) -> str:
        """The bar of this person's file; empty where none is being read."""
        now = self._now.get(account.id)
        if now is None:
            return ""
        percent = "" if now.share is None else f", {int(100 * now.share)} %"
        bar = "" if now.share is None else f"<div class=bar><i style='width:{100 * now.share:.0f}%'></i></div>"
        return f"<div class=card role=status>{esc(now.file)}: {now.rows:,} rows {now.stage}{percent}{bar}</div>"
