# SPDX-License-Identifier: Apache-2.0
"""Settings of runs: frozen pydantic models, read from `key=value` or from JSON, all or nothing.

The options that several kinds of run share (`Seed`, `Rank`, ...) are defined here, once, with their bounds.
A field whose key is a Python keyword ends in an underscore: the key `from` is the field `from_`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticKnownError

from data.errors import BadInput

LARGEST_SEED = 2**32 - 1
"""The largest seed that numpy's generator takes."""
KINDS_OF_VALUE = ("int", "float", "finite", "bool", "string", "tuple")
"""First words of pydantic's error types; the text `error.setting_WORD` says what the field expects."""
RULES = {"ge": "at least", "le": "at most", "multiple_of": "a multiple of"}
"""Pydantic's names of the rules of a field, in words."""
EMPTY = "empty"

Value = TypeVar("Value")


class Settings(BaseModel):
    """The base of all settings. An instance never changes; make another one with `model_copy(update=...)`."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        alias_generator=lambda name: name.removesuffix("_"),
        validate_by_name=True,
        validate_by_alias=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _read_text(cls, value: object, info: ValidationInfo) -> object:
        """Split a list at its commas, read 2e3 as a whole number, and refuse true and false as numbers."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if get_origin(kind) is tuple and isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        if kind in (int, float) and isinstance(value, bool):
            raise PydanticKnownError("int_type" if kind is int else "float_type")
        if kind is int and isinstance(value, str):
            try:
                return int(value)
            except ValueError:
                return _number(value)
        return value


SettingsType = TypeVar("SettingsType", bound=Settings)


class Described(NamedTuple):
    """One setting of a form: `type` is the annotation; `default` is None if a value must be given.

    `labeling.texts.pages` has the help text and the name of the unit.
    """

    key: str
    type: Any
    default: Any
    unit: str
    main: bool


def option(
    default: Value,
    *,
    unit: str = "",
    main: bool = False,
    min: float | None = None,
    max: float | None = None,
    multiple_of: int | None = None,
) -> Value:
    """Return a field with a default, a unit and bounds. A form shows `main` fields first.

    What is left out comes from the shared option in the annotation, if there is one.
    """
    shown = ({"unit": unit} if unit else {}) | ({"main": True} if main else {})
    given = {"ge": min, "le": max, "multiple_of": multiple_of, "json_schema_extra": shown or None}
    return Field(default, **{name: value for name, value in given.items() if value is not None})  # type: ignore[call-overload]


def _check_device(given: object) -> str:
    """Refuse a device that torch does not name, such as gpu."""
    kind, _, number = str(given).partition(":")
    if given and (kind not in ("auto", "cpu", "cuda", "mps", "xpu") or (number and not number.isdigit())):
        raise BadInput.of("error.device", device=given, field="device")
    return str(given)


def _check_processes(given: object) -> str:
    """Refuse what is neither `auto` nor a number of processes."""
    if given != "auto" and not (str(given).isdecimal() and int(str(given))):
        raise BadInput.of("error.processes", processes=given, field="processes")
    return str(given)


Device = Annotated[str, BeforeValidator(_check_device)]
Processes = Annotated[str, BeforeValidator(_check_processes)]
StartPolicy = Annotated[str, option("", main=True)]
Seed = Annotated[int, option(0, min=0, max=LARGEST_SEED)]
Rank = Annotated[int, option(16, min=1, max=1024)]
LearningRate = Annotated[float, option(1e-3, min=0.0, max=1.0)]
BatchSize = Annotated[int, option(32, unit="rows", min=1)]
StepLimit = Annotated[int, option(0, unit="steps", min=0)]
CompletionLength = Annotated[int, option(80, unit="tokens", min=1)]


def parse_settings(cls: type[SettingsType], given: Sequence[str] | Mapping[str, Any]) -> SettingsType:
    """Return settings read from ["key=value", ...] or from a mapping; fields that are not given have their defaults.

    Raises BadInput for the first setting that is unknown (naming the nearest), missing, of another type, out of its
    range, not one of the choices, or not a multiple of the number that the field asks for.
    """
    pairs = dict(given) if isinstance(given, Mapping) else dict(_split(text) for text in given)
    names = {*cls.model_fields, *keys(cls)}
    values = {key if key in names else key.replace("-", "_"): value for key, value in pairs.items()}
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        order = list(values)
        problems = error.errors(include_url=False)
        first = min(problems, key=lambda at: order.index(at["loc"][0]) if at["loc"][0] in order else len(order))
        raise _bad_input(cls, first) from None


def as_dict(settings: Settings) -> dict[str, Any]:
    """Return every setting by its key, in JSON's types, for a run's row; `parse_settings` reads it back."""
    return settings.model_dump(mode="json", by_alias=True)


def describe(cls: type[Settings]) -> list[Described]:
    """Return the settings in the order of `keys`, for forms."""
    return [_described(name.removesuffix("_"), cls.model_fields[name]) for name in _names(cls)]


def keys(cls: type[Settings]) -> list[str]:
    """Return the keys of the settings: those of the class itself first, then those of its bases."""
    return [name.removesuffix("_") for name in _names(cls)]


def describe_range(cls: type[Settings], key: str) -> str:
    """Return the values that a setting takes: `one of lora, full`, or `whole number, at least 1 and at most 1024`."""
    field = cls.model_fields[key if key in cls.model_fields else f"{key}_"]
    kind = field.annotation
    if get_origin(kind) is Literal:
        return f"one of {', '.join(choice or EMPTY for choice in get_args(kind))}"
    if kind is bool:
        return "true or false"
    word = {int: "whole number", float: "number", str: "text"}.get(cast("type", kind), "list")
    rules = {name: getattr(rule, name) for rule in field.metadata for name in RULES if hasattr(rule, name)}
    bounds = " and ".join(f"{RULES[name]} {show_value(rules[name])}" for name in RULES if name in rules)
    return f"{word}, {bounds}" if bounds else word


def show_value(value: object) -> str:
    """Return the value of a setting as a person gives it to `--set`, or EMPTY."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or EMPTY
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value) or EMPTY


def _names(cls: type[Settings]) -> list[str]:
    written = (name for part in cls.__mro__ for name in vars(part).get("__annotations__", {}))
    return [name for name in dict.fromkeys(written) if name in cls.model_fields]


def _described(key: str, field: FieldInfo) -> Described:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    default = None if field.is_required() else field.default
    unit, main = str(extra.get("unit", "")), bool(extra.get("main"))
    return Described(key, field.annotation, default, unit, main)


def _split(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise BadInput.of("error.setting_form", field=text, text=text)
    return key.strip(), value.strip()


def _number(text: str) -> float | str:
    """Return a text such as 2e3 as a number, and any other text as it is, for pydantic to refuse."""
    try:
        return float(text) if float(text).is_integer() else text
    except ValueError:
        return text


def _bad_input(cls: type[Settings], problem: ErrorDetails) -> BadInput:
    """Return a pydantic error as one line that names the setting, the value and the remedy."""
    kind, value, context = problem["type"], problem["input"], problem.get("ctx", {})
    key = str(problem["loc"][0])
    if kind == "extra_forbidden":
        return _unknown(cls, key)
    if kind == "missing":
        return BadInput.of("error.setting_missing", setting=key, field=key)
    if kind == "literal_error":
        choices = context["expected"].replace("'", "").replace(" or ", ", ")
        return BadInput.of("error.setting_choice", setting=key, given=value, choices=choices, field=key)
    if kind == "multiple_of":
        step = int(context["multiple_of"])
        below = max(step, int(value) // step * step)
        numbers = {"given": value, "step": step, "below": below, "above": below + step}
        return BadInput.of("error.setting_multiple", setting=key, field=key, **numbers)
    if kind in ("greater_than_equal", "less_than_equal"):
        return _out_of_range(key, value, _bounds(cls, key, context))
    expected = kind.partition("_")[0]
    name = expected if expected in KINDS_OF_VALUE else "other"
    return BadInput.of(f"error.setting_{name}", setting=key, given=value, field=key)


def _out_of_range(key: str, value: object, bounds: Mapping[str, Any]) -> BadInput:
    """Return the error of a value beyond the bounds `ge` and `le` of its field."""
    ends = {name: bounds[rule] for name, rule in (("least", "ge"), ("most", "le")) if rule in bounds}
    name = "range" if len(ends) == 2 else "low" if "least" in ends else "high"
    return BadInput.of(f"error.setting_{name}", setting=key, given=value, field=key, **ends)


def _unknown(cls: type[Settings], key: str) -> BadInput:
    """Return the error for a key that no setting has; it names the nearest key, also for initials such as `lr`."""
    known = keys(cls)
    initials = {"".join(word[:1] for word in name.split("_")): name for name in known if "_" in name}
    near = initials.get(key) or next(iter(get_close_matches(key, known, n=1)), "")
    name = "near" if near else "unknown"
    return BadInput.of(f"error.setting_{name}", setting=key, near=near, known=", ".join(known), field=key)


def _bounds(cls: type[Settings], key: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return both bounds of a field; of an element of a list the one that was broken."""
    bounds = dict(context)
    for rule in cls.model_fields[key if key in cls.model_fields else f"{key}_"].metadata:
        bounds |= {name: getattr(rule, name) for name in ("ge", "le") if hasattr(rule, name)}
    return bounds
