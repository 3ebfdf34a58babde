# SPDX-License-Identifier: Apache-2.0
"""Progress of reading files: a callback, and a bar on a terminal that rewrites one line."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

Progress = Callable[[str, int, float | None], None]
"""(stage, rows so far, share between 0 and 1 or None if unknown) -> nothing."""
WIDTH, EVERY = 24, 0.1  # characters, seconds between two lines


def ignore_progress(stage: str, done: int, share: float | None) -> None:
    """Do nothing."""


class ProgressBar:
    """`bar(stage, done, share)` draws. Use it as a context, which clears the line."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream, self._drawn = stream or sys.stderr, 0.0
        self._shown = self._stream.isatty()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown and self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def __call__(self, stage: str, done: int, share: float | None) -> None:
        """Draw at most ten times a second, and at the end."""
        moment = time.monotonic()
        if not self._shown or (share != 1 and moment - self._drawn < EVERY):
            return
        self._drawn = moment
        self._stream.write(f"\r\x1b[K{format_line(stage, done, share)}")
        self._stream.flush()


def format_line(stage: str, done: int, share: float | None) -> str:
    """Return the line: a bar if the share is known, and the count."""
    if share is None:
        return f"{done:,} rows {stage}"
    filled = int(WIDTH * share)
    return f"[{'#' * filled}{'.' * (WIDTH - filled)}] {int(100 * share):3} %  {done:,} rows {stage}"
