# SPDX-License-Identifier: Apache-2.0
"""Fields of an imported row, each checked. A refusal names the field and the remedy."""

from __future__ import annotations

import difflib
import json
from math import isfinite


class BadRow(ValueError):
    """A row that cannot be used, with the reason in words for the author of the file."""

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.field = reason, field


def read_field(row: dict, key: str) -> object:
    """Return row[key]. Raises BadRow that names the most similar key of the row."""
    if key in row:
        return row[key]
    near = difflib.get_close_matches(key, [other for other in row if isinstance(other, str)], 1, 0.6)
    hint = (
        f": rename {near[0]!r} to {key!r}" if near else f"; it has {', '.join(map(repr, list(row)[:6])) or 'no keys'}"
    )
    raise BadRow(f"the row has no {key!r}{hint}", key)


def read_text(row: dict, key: str, *, blank: bool = False) -> str:
    """Return a text field unchanged. With `blank` it may be absent or empty."""
    if blank and row.get(key) is None:
        return ""
    return check_text(read_field(row, key), key, blank=blank)


def check_text(value: object, key: str, *, blank: bool = False) -> str:
    """Return `value` if it is text that the store can hold. Raises BadRow."""
    if value is None:
        raise BadRow(f"{key!r} is empty", key)
    if not isinstance(value, str):
        raise BadRow(f"{key!r} must be text, not {json.dumps(value, default=str)[:40]}", key)
    if not blank and not value.strip():
        raise BadRow(f"{key!r} is empty", key)
    if "\x00" in value:
        raise BadRow(f"{key!r} contains a NUL character", key)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRow(f"{key!r} contains half of a surrogate pair, which is not a character", key) from None
    return value


def read_optional_text(row: dict, key: str) -> str | None:
    """Return a text field that may be absent or null."""
    return None if row.get(key) is None else check_text(row[key], key)


def check_finite(value: object, key: str) -> None:
    """Raise BadRow for a number that is infinite, not a number, or beyond 64 bits, also if it is written as text."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return
    if isinstance(value, float) and not isfinite(value):
        raise BadRow(f"{key!r} is {value}, not a finite number", key)
    if isinstance(value, int) and value.bit_length() > 63:
        raise BadRow(f"{key!r} has more than 64 bits", key)
