# SPDX-License-Identifier: Apache-2.0
"""Presence: when this server last saw each account. It is in memory, so it is empty after a restart."""

from __future__ import annotations

import time
from collections.abc import Callable

ONLINE_SECONDS = 120.0


class Presence:
    """The time of the last admitted request of each account."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.seen: dict[int, float] = {}

    def record(self, account_id: int) -> None:
        """Record a request of this account."""
        self.seen[account_id] = self.clock()

    def seconds_since(self, account_id: int) -> float | None:
        """Return the seconds since the account's last request, or None without one."""
        return self.clock() - self.seen[account_id] if account_id in self.seen else None

    def is_online(self, account_id: int) -> bool:
        """Return True if the last request is at most two minutes old."""
        ago = self.seconds_since(account_id)
        return ago is not None and ago < ONLINE_SECONDS
