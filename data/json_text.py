# SPDX-License-Identifier: Apache-2.0
"""JSON text of other people. No key of it is lost silently, and NaN is no value: RFC 8259 knows neither."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from data.texts import FALLBACK, TEXTS, Translatable

PARSER = {text: key for key, text in TEXTS[FALLBACK].items() if key.startswith("parser.")}
"""Messages of Python's parser -> their keys."""
TOO_DEEP = Translatable.of("json.deep")


class NotStrict(ValueError):
    """Text that Python's parser accepts although its meaning is unclear."""

    def __init__(self, key: str, /, **values: object) -> None:
        self.reason = Translatable.of(f"json.{key}", **values)
        super().__init__(self.reason)


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 (any JSON value)
    """Return the value. Raises ValueError for other text, doubled keys, NaN and Infinity; RecursionError if deep."""
    return DECODER.decode(text if isinstance(text, str) else text.decode("utf-8"))


def describe_json_error(error: ValueError) -> str:
    """Return what is wrong with a JSON text, without its place."""
    if isinstance(error, NotStrict):
        return error.reason
    message = error.msg if isinstance(error, json.JSONDecodeError) else str(error).split(";")[0]
    return Translatable.of(PARSER[message]) if message in PARSER else message


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    keys = [key for key, _ in pairs]
    doubled = next(key for key in keys if keys.count(key) > 1)
    raise NotStrict("key_twice", key=doubled[:40])


def _refuse(constant: str) -> NoReturn:
    raise NotStrict("constant", constant=constant)


DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)
"""The decoder of `parse_json`."""
