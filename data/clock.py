# SPDX-License-Identifier: Apache-2.0
"""Points in time as the store writes them: ISO 8601, UTC, microseconds, so that text order is time order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now() -> str:
    """Return this moment."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def later(seconds: float) -> str:
    """Return the moment `seconds` from this one (before it, if negative)."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
