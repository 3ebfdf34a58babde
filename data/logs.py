# SPDX-License-Identifier: Apache-2.0
"""The log: records that repeat are counted instead of written, and files stay below a size.

Invariant: no caller, however often it fails, writes more than one record per place and minute.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

LOG = logging.getLogger("preference_loop")
"""The program's own logger."""
REPEAT_SECONDS = 60.0
"""Seconds in which a place writes one record."""
PLACES = 1_000
"""Places that the filter remembers; beyond, it forgets the oldest."""
LOG_FILE_BYTES = 16 * 1024**2
"""Bytes of a log file above which its older half is removed."""
CUT = b"(older lines were removed: the log was longer than 16 MiB)\n"


class RepeatFilter(logging.Filter):
    """Passes the first record of a place in a minute. The next record of that place says how many were dropped.

    A place is a logger, a message's first line before its arguments, and the line that raised the exception.
    """

    def __init__(self, seconds: float = REPEAT_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.seconds, self.clock = seconds, clock
        self.lock = threading.Lock()
        self.places: dict[tuple[object, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is written."""
        place, now = _place_of(record), self.clock()
        with self.lock:
            began, dropped = self.places.get(place, (now - self.seconds, 0))
            if now - began < self.seconds:
                self.places[place] = (began, dropped + 1)
                return False
            self.places.pop(place, None)
            self.places[place] = (now, 0)
            if len(self.places) > PLACES:
                del self.places[next(iter(self.places))]
        if dropped:
            record.msg, record.args = f"{record.getMessage().rstrip()} (and {dropped:,} times more before)", ()
        return True


def limit_repeats(*names: str) -> None:
    """Drop repeated records of these loggers and of the program's own. Calling it again changes nothing."""
    for logger in (LOG, *map(logging.getLogger, names)):
        if not any(isinstance(old, RepeatFilter) for old in logger.filters):
            logger.addFilter(RepeatFilter())


def bound_log_file(path: Path, limit: int = LOG_FILE_BYTES) -> None:
    """Remove the older part of a log file longer than `limit` bytes; its newer half stays.

    The file is changed in place, for a process that appends to it. Lines written meanwhile may be lost.
    """
    if not path.is_file() or path.stat().st_size <= limit:
        return
    with path.open("r+b") as log:
        log.seek(-limit // 2, os.SEEK_END)
        newer = log.read(limit).partition(b"\n")[2]
        log.seek(0)
        log.truncate()
        log.write(CUT + newer)


def _place_of(record: logging.LogRecord) -> tuple[object, ...]:
    problem = record.exc_info[1] if record.exc_info else None
    frames = traceback.extract_tb(problem.__traceback__)[-1:] if problem else []
    raised_at = [(frame.filename, frame.lineno) for frame in frames]
    return record.name, str(record.msg).partition("\n")[0], type(problem), *raised_at
