"""Who is here: when each account was last seen by this server. Kept in memory; after a restart nobody was seen yet."""

from __future__ import annotations

import time
from collections.abc import Callable

ONLINE_SECONDS = 120.0


class Presence:
    """Noted with every request that the gate lets in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.seen: dict[int, float] = {}

    def record(self, account_id: int) -> None:
        """This account was seen now."""
        self.seen[account_id] = self.clock()

    def seconds_since(self, account_id: int) -> float | None:
        """Seconds since it was seen; None where it was not."""
        return self.clock() - self.seen[account_id] if account_id in self.seen else None

    def is_online(self, account_id: int) -> bool:
        """Whether it was seen in the last two minutes."""
        ago = self.seconds_since(account_id)
        return ago is not None and ago < ONLINE_SECONDS
