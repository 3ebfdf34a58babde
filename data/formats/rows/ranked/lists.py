# SPDX-License-Identifier: Apache-2.0
"""Lists in a column: of objects, each a tracked part of the row, and of plain values."""

from __future__ import annotations

from typing import Any

from data.formats.rows.conversation import note_marks
from data.formats.rows.fields import BadRow, Row, check_text, read_nested
from data.formats.tracked_row import is_blank


def read_objects(row: Row, key: str, keys: str) -> list[Row]:
    """Return the objects of a list as parts of the row; `keys` names what they should hold. Raises BadRow."""
    values = read_nested(row, key)
    if not isinstance(values, list) or not values or not all(isinstance(value, dict) for value in values):
        raise BadRow.of("row.list_of", key, keys=keys)
    return [row.part(value, f"{key}[{number}]") for number, value in enumerate(values)]


def read_object(row: Row, key: str, keys: str) -> Row:
    """Return the object in a column as a part of the row. Raises BadRow."""
    value = read_nested(row, key)
    if not isinstance(value, dict):
        raise BadRow.of("row.object_of", key, keys=keys)
    return row.part(value, key)


def read_list(row: Row, key: str) -> list[Any]:
    """Return the values of a list; none if the column is absent or empty. Raises BadRow."""
    if is_blank(row.peek(key)):
        return []
    values = read_nested(row, key)
    if not isinstance(values, list):
        raise BadRow.of("row.list", key)
    return values


def read_texts(row: Row, key: str) -> list[str]:
    """Return the texts of a list, some perhaps empty. Raises BadRow."""
    texts = [check_text(text, f"{key}[{number}]", blank=True) for number, text in enumerate(read_list(row, key))]
    for text in texts:
        note_marks(row, text, key)
    return texts


def as_part(row: Row, key: str) -> Row:
    """Return the values of a list as a part of the row, by their places "0", "1" and so on."""
    return row.part({str(number): value for number, value in enumerate(read_list(row, key))}, key)
