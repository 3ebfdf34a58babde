# SPDX-License-Identifier: Apache-2.0
"""Rate limit: it counts failed attempts per key, so nobody can try thousands of passwords."""

from __future__ import annotations

import ipaddress
import re
import time
from collections import deque
from collections.abc import Callable

WINDOW = 60.0
KEYS = 10_000
NETWORK_BITS = 64
"""Bits of an IPv6 address that count: a provider gives one customer at least the rest."""
WITH_PORT = re.compile(r"(?P<v4>[0-9.]+):[0-9]+|\[(?P<v6>[0-9A-Fa-f:.]+)\](?::[0-9]+)?")


def address_key(address: str) -> str:
    """Return the form in which an address is counted: IPv4 whole, IPv6 by its /64, without a port."""
    if match := WITH_PORT.fullmatch(address):
        address = match["v4"] or match["v6"]
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), NETWORK_BITS), strict=False))


class RateLimit:
    """Failures per key in the last `WINDOW` seconds, in this process only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.failures: dict[str, deque[float]] = {}

    def seconds_to_wait(self, key: str, attempts: int) -> int:
        """Return the seconds until `key` may try again, if it may fail `attempts` times in a window. 0 means now."""
        times = self.failures.get(key, deque())
        while times and times[0] <= self.clock() - WINDOW:
            times.popleft()
        return 0 if len(times) < attempts else max(1, round(times[-attempts] + WINDOW - self.clock()))

    def record_failure(self, *keys: str) -> None:
        """Count one failure for each key. Beyond `KEYS` keys the oldest are forgotten."""
        for key in keys:
            self.failures.setdefault(key, deque()).append(self.clock())
        while len(self.failures) > KEYS:
            del self.failures[next(iter(self.failures))]

    def record_success(self, name: str, address: str) -> None:
        """Forget all failures of `name`, but only this attempt of `address`.

        Otherwise one good account would reset the count for guesses at others.
        """
        self.failures.pop(name, None)
        if self.failures.get(address):
            self.failures[address].pop()
            if not self.failures[address]:
                del self.failures[address]
