# SPDX-License-Identifier: Apache-2.0
"""The log of a run: its last lines, and the lines of the whole file that contain some words."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FILE = "log.txt"
TAIL_BYTES = 64_000
"""Bytes at the end of a log that are read for its last lines."""
SHOWN = 200
"""Newest hits that a search returns."""


class Hits(NamedTuple):
    """The number of lines that contain every word, and the newest of them with their line numbers, newest first."""

    total: int
    newest: list[tuple[int, str]]


def read_tail(folder: Path, lines: int = 100) -> list[str]:
    """Return the last lines of a run's log that are not blank, newest first; none if there is no log."""
    file = folder / FILE
    if not file.is_file():
        return []
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - TAIL_BYTES))
        log = stream.read().decode("utf-8", "replace").replace("\r", "\n")
    return [line for line in reversed(log.splitlines()) if line.strip()][:lines]


def search_log(folder: Path, words: str) -> Hits:
    """Search the whole log of a run, line by line and in any case. A line fits if it contains every word."""
    wanted, count = words.lower().split(), 0
    newest: deque[tuple[int, str]] = deque(maxlen=SHOWN)
    for number, line in _lines(folder / FILE):
        read = line.lower()
        if all(word in read for word in wanted):
            count += 1
            newest.append((number, line))
    return Hits(count, list(reversed(newest)))


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a log; a line that a progress bar wrote over is a line of its own."""
    if file.is_file():
        with file.open(encoding="utf-8", errors="replace") as stream:  # newlines of all three kinds end a line
            for number, line in enumerate(stream, 1):
                yield number, line.rstrip("\n")
