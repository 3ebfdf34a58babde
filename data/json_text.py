# SPDX-License-Identifier: Apache-2.0
"""JSON text of other people. No key of it is lost silently, and NaN is no value: RFC 8259 knows neither."""

from __future__ import annotations

import json
from typing import Any, NoReturn


class NotStrict(ValueError):
    """Text that Python's parser accepts although its meaning is unclear."""


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 (any JSON value)
    """Return the value. Raises ValueError for other text, doubled keys, NaN and Infinity; RecursionError if deep."""
    return DECODER.decode(text if isinstance(text, str) else text.decode("utf-8"))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    keys = [key for key, _ in pairs]
    doubled = next(key for key in keys if keys.count(key) > 1)
    raise NotStrict(f"the key {doubled[:40]!r} is there twice")


def _refuse(constant: str) -> NoReturn:
    raise NotStrict(f"{constant} is not a JSON number")


DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)
"""The decoder of `parse_json`."""
