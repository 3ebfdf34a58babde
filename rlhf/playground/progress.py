# SPDX-License-Identifier: Apache-2.0
"""Messages of the playground's process about one reply, with its seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

INTERVAL = 0.1
"""Least seconds between two messages about a text that is being written."""


class Progress:
    """The messages about one reply, with the seconds since its start."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self.restart_clock()

    def restart_clock(self) -> None:
        """Count the seconds from now."""
        self._began = self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Return whether the last message was long enough ago."""
        return time.monotonic() - self._last >= INTERVAL

    def send(self, **values: object) -> None:
        """Send changed values."""
        self._last = time.monotonic()
        self._send({**values, "seconds": round(self._last - self._began, 2)})
