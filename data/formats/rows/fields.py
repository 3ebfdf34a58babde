# SPDX-License-Identifier: Apache-2.0
"""Fields of an imported row, each checked. A refusal names the field and the remedy."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, Self

from data.formats.nested import parse_nested
from data.formats.tracked_row import TrackedRow, is_blank
from data.json_text import describe_json_error
from data.texts import Translatable

Row = TrackedRow
"""A row as readers see it."""
FLAGS = {"true": True, "yes": True, "false": False, "no": False}


class BadRow(ValueError):
    """A row that cannot be used, with the reason for the author of the file, which pages translate."""

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.field = reason, field

    @classmethod
    def of(cls, key: str, field: str | None = None, /, **values: object) -> Self:
        """Return the refusal with the text `KEY`, filled with `field` and `values`."""
        return cls(Translatable.of(key, field=field, **values), field)


def read_field(row: Row, key: str) -> Any:  # noqa: ANN401 (the values of columns have many types)
    """Return row[key]. Raises BadRow that names the keys of the row."""
    if key in row:
        return row[key]
    raise BadRow.of("row.no_field", key, columns=", ".join(map(repr, list(row)[:6])) or Translatable.of("row.no_keys"))


def read_text(row: Row, key: str, *, blank: bool = False) -> str:
    """Return a text field unchanged. With `blank` it may be absent or empty."""
    if blank and row.get(key) is None:
        return ""
    return check_text(read_field(row, key), key, blank=blank)


def check_text(value: object, key: str, *, blank: bool = False) -> str:
    """Return `value` if it is text that the store can hold. Raises BadRow."""
    if value is None:
        raise BadRow.of("row.empty", key)
    if not isinstance(value, str):
        raise BadRow.of("row.not_text", key, given=json.dumps(value, default=str)[:40])
    if not blank and not value.strip():
        raise BadRow.of("row.empty", key)
    if "\x00" in value:
        raise BadRow.of("row.nul", key)
    if not value.isascii():
        _check_characters(value, key)
    return value


def check_parts(row: Row, value: object, where: str, *, blank: bool = False) -> str:
    """Return a text, or the text parts of a list joined by line ends. Raises BadRow for a part that is no text."""
    if isinstance(value, list):
        value = "\n".join(_part(row, item, f"{where}[{number}]") for number, item in enumerate(value))
    return check_text(value, where, blank=blank)


def _part(row: Row, item: object, where: str) -> str:
    if isinstance(item, dict) and item.get("type") == "text":
        part = row.part(item, where)
        part.get("type")
        return check_text(part.get("text"), f"{where}.text")
    kind = str(item.get("type", "object"))[:40] if isinstance(item, dict) else type(item).__name__
    raise BadRow.of("row.not_text_part", where, kind=kind)


def _check_characters(value: str, key: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        if "\udc80" <= value[error.start] <= "\udcff":
            raise BadRow.of("row.not_utf8", key) from None
        raise BadRow.of("row.half_surrogate", key) from None


def read_optional_text(row: Row, key: str) -> str | None:
    """Return a text field that may be absent, null or empty."""
    return check_text(row[key], key) if row.get(key) not in (None, "") else None


def read_nested(row: Row, key: str) -> Any:  # noqa: ANN401 (the values of columns have many types)
    """Return a field that holds a list or an object; one written as JSON or as Python prints it is parsed.

    Text that is neither stays text. Raises BadRow if the row lacks the field, or if a key stands twice in it.
    """
    value = read_field(row, key)
    if not isinstance(value, str):
        return value
    try:
        nested = parse_nested(value)
    except ValueError as error:
        raise BadRow.of("row.unusable", key, error=describe_json_error(error)) from None
    return value if nested is None else nested


def read_names(row: Row, key: str) -> tuple[str, ...]:
    """Return a list of names that may be absent, empty or null. Raises BadRow."""
    names = [] if is_blank(row.get(key)) else read_nested(row, key)
    if not isinstance(names, list):
        raise BadRow.of("row.not_names", key)
    return tuple(check_text(name, key) for name in names)


def read_number(row: Row, key: str) -> float | None:
    """Return a number: 1, 1.0, "1", "1.0", true and "True" are one value. None if the field is absent or empty.

    Raises BadRow for anything else, and for a number that is infinite or has more than 64 bits.
    """
    value = row.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        flag = FLAGS.get(value.strip().casefold())
        try:
            value = float(value) if flag is None else flag
        except ValueError:
            raise BadRow.of("row.not_number", key, given=repr(value[:40])) from None
    if not isinstance(value, int | float):
        raise BadRow.of("row.not_number", key, given=json.dumps(value, default=str)[:40])
    check_finite(value, key)
    return float(value)


def read_flag(row: Row, key: str) -> bool | None:
    """Return true or false: true, "True", 1, "1.0" are one value. None if the field is absent or empty.

    Raises BadRow for any other value.
    """
    number = read_number(row, key)
    if number not in (None, 0, 1):
        raise BadRow.of("row.not_flag", key, given=str(row[key])[:40])
    return None if number is None else bool(number)


def check_finite(value: object, key: str) -> None:
    """Raise BadRow for a number that is infinite, not a number, or beyond 64 bits."""
    if isinstance(value, float) and not isfinite(value):
        raise BadRow.of("row.not_finite", key, given=value)
    if isinstance(value, int) and value.bit_length() > 63:
        raise BadRow.of("row.wide_number", key)
