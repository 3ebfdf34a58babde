# SPDX-License-Identifier: Apache-2.0
"""Timestamps of the store: ISO 8601 in UTC with microseconds. Their text order is their time order. And durations."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from data.errors import BadInput

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Seconds of the units in which people write durations."""


def now() -> str:
    """Return the current time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def later(seconds: float) -> str:
    """Return the time in `seconds` from now; a negative number gives an earlier time."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def parse_duration(text: str) -> int:
    """Return the seconds of a duration such as "24h", "30m", "7d" or "90s". Raises BadInput for any other text."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    seconds = int(match[1]) * UNITS[match[2]] if match else 0
    if not seconds:
        raise BadInput(f"{text!r} is not a duration", "Write a number and a unit, such as 24h or 30m.")
    return seconds
