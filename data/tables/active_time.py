# SPDX-License-Identifier: Apache-2.0
"""Active seconds of answers: the time in which the page was visible and in use. Written once per event."""

from __future__ import annotations

from data.sqlite.table import Table


class ActiveTime(Table):
    """Active seconds of comparisons and rankings.

    `comparisons.seconds` also counts breaks, from the display to the answer.
    """

    def record(self, event_id: str, seconds: float) -> None:
        """Store the seconds of this event; only the first call counts."""
        self._store.insert_or_ignore("attention", {"event_id": event_id, "seconds": seconds})

    def get(self, event_id: str) -> float | None:
        """Return the event's active seconds; None if the client sent none."""
        return self._store.value("SELECT seconds FROM attention WHERE event_id = ?", [event_id])
