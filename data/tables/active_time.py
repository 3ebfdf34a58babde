"""How long somebody was at work on an answer: the page in sight and used, as the page measured it. Written once, beside the event."""

from __future__ import annotations

from data.sqlite.table import Table


class ActiveTime(Table):
    """Active seconds of comparisons and rankings. `comparisons.seconds` beside it counts from the showing on, breaks included."""

    def record(self, event_id: str, seconds: float) -> None:
        """Keep it for this event, the first time it is said."""
        self._store.insert_or_ignore("attention", {"event_id": event_id, "seconds": seconds})

    def get(self, event_id: str) -> float | None:
        """The event's active seconds; None where the client did not say."""
        return self._store.value("SELECT seconds FROM attention WHERE event_id = ?", [event_id])
