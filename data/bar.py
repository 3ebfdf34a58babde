"""A progress bar on a terminal: one line that is written over; nothing at all where nobody looks."""

from __future__ import annotations

import sys
import time
from typing import TextIO

WIDTH, EVERY = 24, 0.1  # characters, seconds between two lines


class Bar:
    """`bar(stage, done, total)` draws; a total of 0 is unknown. Use as a context, which ends the line."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream, self._drawn = stream, 0.0
        self._shown = stream.isatty()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown and self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Draw, ten times a second at most, and at the end."""
        moment = time.monotonic()
        if not self._shown or (done != total and moment - self._drawn < EVERY):
            return
        self._drawn = moment
        self._stream.write(f"\r\x1b[K{line(stage, done, total)}")
        self._stream.flush()


def line(stage: str, done: int, total: int) -> str:
    """What is drawn: a bar where the total is known, a count where it is not."""
    if not total:
        return f"{done:,} rows {stage}"
    filled = WIDTH * done // total
    return f"[{'#' * filled}{'.' * (WIDTH - filled)}] {100 * done // total:3} %  {done:,} of {total:,} rows {stage}"
