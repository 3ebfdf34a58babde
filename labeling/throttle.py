"""Failed attempts counted per key, so that passwords cannot be tried by the thousand."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

ATTEMPTS = 5
WINDOW = 60.0
KEYS = 10_000


class Throttle:
    """At most `ATTEMPTS` failures per key within `WINDOW` seconds; lives in this process only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.failures: dict[str, deque[float]] = {}

    def wait(self, key: str) -> int:
        """Seconds until `key` may try again; 0: now."""
        times = self.failures.get(key, deque())
        while times and times[0] <= self.clock() - WINDOW:
            times.popleft()
        return 0 if len(times) < ATTEMPTS else max(1, round(times[0] + WINDOW - self.clock()))

    def failed(self, key: str) -> None:
        """Count one failure; the oldest keys are forgotten beyond `KEYS`."""
        self.failures.setdefault(key, deque(maxlen=ATTEMPTS)).append(self.clock())
        while len(self.failures) > KEYS:
            del self.failures[next(iter(self.failures))]

    def succeeded(self, key: str) -> None:
        """Forget the failures of `key`."""
        self.failures.pop(key, None)
