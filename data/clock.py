# SPDX-License-Identifier: Apache-2.0
"""Timestamps of the store: ISO 8601 in UTC with microseconds. Their text order is their time order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now() -> str:
    """Return the current time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def later(seconds: float) -> str:
    """Return the time in `seconds` from now; a negative number gives an earlier time."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
