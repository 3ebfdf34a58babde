# SPDX-License-Identifier: Apache-2.0
"""The audit list as a file: JSON lines or CSV, oldest act first."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from data.errors import BadInput
from data.formats.export.tables import open_table
from data.store import Store

FORMATS = ("jsonl", "csv")
COLUMNS = {
    "id": "integer",
    "created_at": "text",
    "actor": "text",
    "name": "text",
    "address": "text",
    "action": "text",
    "detail": "json",
}


def write_audit(store: Store, path: Path, form: str, since: str = "") -> int:
    """Write the acts from the moment `since` on to `path`; return their number."""
    count = 0
    with open_table(path, f"audit.{form}", COLUMNS) as write:
        for act in store.audit.since(since):
            write(act)
            count += 1
    return count


def parse_moment(text: str) -> str:
    """Return a date or time (ISO 8601; UTC without a zone) in the store's form. Raises BadInput."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        error = f"{text!r} is not a date or time"
        raise BadInput(error, "Write one such as 2026-11-28 or 2026-11-28T09:30.", field="since") from None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).isoformat(timespec="microseconds")
