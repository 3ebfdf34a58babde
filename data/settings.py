"""Settings of runs: frozen dataclasses, read from `key=value` or from JSON by the declared type of each field, all or nothing.

A field's metadata: `help` and `unit` for people, `main` True for those a form shows at once, `min` and `max` for the range,
`multiple_of` where only multiples of a number work.
A field that must not be named as a Python keyword ends in an underscore: the key `from` is the field `from_`.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, asdict, fields
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar, Union

from data.errors import BadInput

T = TypeVar("T")
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


class Described(NamedTuple):
    """One setting as a form shows it. `type` is the annotation; `default` is MISSING where one must be given."""

    key: str
    type: Any
    default: Any
    help: str
    unit: str
    main: bool


def parse_settings(cls: type[T], given: Sequence[str] | Mapping[str, Any]) -> T:
    """Settings from ["key=value", ...] or a mapping; what is not given has its default.

    Raises BadInput for an unknown key (naming the nearest), a value that is not of the field's type, out of its
    range or not a multiple where only those work, and a missing key.
    """
    pairs = dict(given) if isinstance(given, Mapping) else dict(_split(text) for text in given)
    known = {key_of(field): field for field in fields(cls)}
    hints = typing.get_type_hints(cls)
    values = {}
    for key, value in pairs.items():
        field = known.get(key) or known.get(key.removesuffix("_")) or known.get(key.replace("-", "_"))
        if field is None:
            raise _unknown(key, list(known))
        values[field.name] = _convert(key, value, hints[field.name])
        _check_multiple(key, values[field.name], field)
        _check_range(key, values[field.name], field)
    for key, field in known.items():
        if field.name not in values and _default(field) is MISSING:
            raise BadInput(f"the setting {key} is missing", f"Give it: {key}=...", field=key)
    return cls(**values)


def as_dict(settings: Any) -> dict[str, Any]:
    """Every setting by its key, in JSON's types: what a run's row keeps; `parse_settings` reads it back."""
    written = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(settings).items()}
    return {name.removesuffix("_"): value for name, value in written.items()}


def describe(cls: type) -> list[Described]:
    """The settings in their order, for forms and help."""
    hints = typing.get_type_hints(cls)
    return [
        Described(
            key_of(field),
            hints[field.name],
            _default(field),
            field.metadata.get("help", ""),
            field.metadata.get("unit", ""),
            field.metadata.get("main", False),
        )
        for field in fields(cls)
    ]


def key_of(field: Field) -> str:
    """The key by which people give a field."""
    return field.name.removesuffix("_")


def _split(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise BadInput(f"{text!r} is not a setting", "Write it as key=value.", field=text)
    return key.strip(), value.strip()


def _default(field: Field) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _unknown(key: str, known: Sequence[str]) -> BadInput:
    near = get_close_matches(key, known, n=1, cutoff=0.0)
    remedy = f"Did you mean {near[0]}? " if near else ""
    return BadInput(f"there is no setting {key!r}", f"{remedy}All: {', '.join(known)}.", field=key)


def _convert(key: str, value: Any, kind: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return _optional(key, value, arguments)
    if origin is tuple:
        parts = [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        return tuple(_convert(key, part, arguments[0]) for part in parts)
    if origin is typing.Literal:
        if value not in arguments:
            raise BadInput(
                f"{key}={value!r} is none of the choices", f"Take one of {', '.join(map(str, arguments))}.", field=key
            )
        return value
    try:
        return _plain(value, kind)
    except (ValueError, TypeError, OverflowError):
        raise BadInput(f"{key}={value!r} is not {NAMES[kind]}", f"Give {NAMES[kind]}.", field=key) from None


def _optional(key: str, value: Any, arguments: Sequence[Any]) -> Any:
    if value is None or isinstance(value, str) and value.strip().lower() in ("", "none"):
        return None
    (kind,) = (argument for argument in arguments if argument is not type(None))
    return _convert(key, value, kind)


def _plain(value: Any, kind: type) -> Any:
    if kind is bool:
        word = str(value).strip().lower()
        if word not in YES + NO:
            raise ValueError
        return word in YES
    if kind is str:
        if not isinstance(value, str):
            raise TypeError
        return value
    if isinstance(value, bool):
        raise TypeError
    number = float(value)
    if math.isnan(number):
        raise ValueError
    if kind is float:
        return number
    if isinstance(value, str) and value.strip().lstrip("+-").isdigit():
        return int(value)
    if number != int(number):
        raise ValueError
    return int(number)


def _check_range(key: str, value: Any, field: Field) -> None:
    low, high = field.metadata.get("min"), field.metadata.get("max")
    for one in value if isinstance(value, tuple) else (value,):
        if one is not None and (low is not None and one < low or high is not None and one > high):
            bounds = " and ".join(
                text for text in (low is not None and f"at least {low}", high is not None and f"at most {high}") if text
            )
            raise BadInput(f"{key}={one} is out of range", f"Give {bounds}.", field=key)


def _check_multiple(key: str, value: Any, field: Field) -> None:
    step = field.metadata.get("multiple_of")
    if step and value % step:
        near = max(step, value // step * step)
        raise BadInput(f"{key}={value} is not a multiple of {step}", f"Give {near} or {near + step}.", field=key)
