# SPDX-License-Identifier: Apache-2.0
"""Times of the store as the reader's local time, with the zone as its distance from UTC: `2026-11-29 23:15 UTC+9`."""

from __future__ import annotations

from datetime import datetime, timedelta

from labeling.texts.reader import reader_zone


def local_time(moment: str, *, seconds: bool = False) -> str:
    """Return an ISO 8601 time of the store in the reader's zone, which stands after it."""
    then = _local(moment)
    return f"{then.strftime('%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M')} {_distance(then)}"


def local_date(moment: str) -> str:
    """Return the reader's date at an ISO 8601 time of the store."""
    return f"{_local(moment):%Y-%m-%d}"


def _local(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(reader_zone())


def _distance(then: datetime) -> str:
    """Return the zone as `UTC`, `UTC+9` or `UTC-3:30`. Abbreviations such as CST stand for several zones."""
    minutes = int((then.utcoffset() or timedelta()).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    if not minutes:
        return "UTC"
    return f"UTC{'+' if minutes > 0 else '-'}{hours}{f':{rest:02}' if rest else ''}"
