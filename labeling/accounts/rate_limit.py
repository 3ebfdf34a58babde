"""Failed attempts counted per key, so that passwords cannot be tried by the thousand."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW = 60.0
KEYS = 10_000


class RateLimit:
    """Failures per key within `WINDOW` seconds; lives in this process only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.failures: dict[str, deque[float]] = {}

    def seconds_to_wait(self, key: str, attempts: int) -> int:
        """Seconds until `key`, which may fail `attempts` times in a window, may try again; 0: now."""
        times = self.failures.get(key, deque())
        while times and times[0] <= self.clock() - WINDOW:
            times.popleft()
        return 0 if len(times) < attempts else max(1, round(times[-attempts] + WINDOW - self.clock()))

    def record_failure(self, *keys: str) -> None:
        """Count one failure of each; the oldest keys are forgotten beyond `KEYS`."""
        for key in keys:
            self.failures.setdefault(key, deque()).append(self.clock())
        while len(self.failures) > KEYS:
            del self.failures[next(iter(self.failures))]

    def record_success(self, name: str, address: str) -> None:
        """Forget the failures of `name`; of `address` only this attempt, or one good account would reset the count for guesses at others."""
        self.failures.pop(name, None)
        if self.failures.get(address):
            self.failures[address].pop()
            if not self.failures[address]:
                del self.failures[address]
