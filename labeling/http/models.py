# SPDX-License-Identifier: Apache-2.0
"""Pydantic models of the bodies that programs and pages send. Values must have their JSON type; none is converted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictFloat, StrictInt, StrictStr
from pydantic import ValidationError as InvalidModel

from data.errors import BadInput
from data.tables.verdicts import VERDICTS
from labeling.queue.items import Answer, RankingAnswer
from labeling.queue.validation import CHOICES

Model = TypeVar("Model", bound=BaseModel)
Error = Mapping[str, Any]
"""One entry of pydantic's `errors()`: type, loc, input, ctx."""


Text = StrictStr
"""Text whose characters `parse_body` has checked."""


class Body(BaseModel):
    """A JSON object with exactly the named fields."""

    model_config = ConfigDict(extra="forbid")


class NoFields(Body):
    """An empty object."""


class SkipBody(Body):
    """Skip an item. `reason` is stored."""

    assignment: Text
    reason: Text


class AnswerBody(Body):
    """An answer to a pair. The fields are those of `labeling.session.Answer`."""

    id: Text
    assignment: Text
    verdict: Text = Field(json_schema_extra={"enum": list(VERDICTS)})
    rationale: Text | None = None
    supersedes: Text | None = None
    aspects: dict[Text, Text] | None = Field(
        None, json_schema_extra={"additionalProperties": {"type": "string", "enum": list(CHOICES)}}
    )
    edit: Text | None = None
    edited: Text | None = None
    active_seconds: StrictFloat | None = None

    def to_answer(self) -> Answer:
        """Return the session's answer."""
        return Answer(**dict(self))


class RankingBody(Body):
    """An answer to a ranking. The fields are those of `labeling.session.RankingAnswer`."""

    id: Text
    assignment: Text
    places: tuple[StrictInt, ...] = ()
    all_bad: Annotated[bool, BeforeValidator(lambda value: value is True)] = False
    rationale: Text | None = None
    supersedes: Text | None = None
    active_seconds: StrictFloat | None = None

    def to_answer(self) -> RankingAnswer:
        """Return the session's answer."""
        return RankingAnswer(**dict(self))


def parse_field(model: type[Model], value: object, field: str) -> Model:
    """Return the model of a body's field. Raises BadInput that names the wrong field."""
    if not isinstance(value, Mapping):
        raise BadInput(f"the field {field!r} is missing", "Load the page again.", field=field)
    try:
        return model.model_validate(value)
    except InvalidModel as problem:
        raise to_bad_input(problem.errors()) from None


def to_bad_input(errors: Iterable[Error], place: str = "field") -> BadInput:
    """Return the first of pydantic's errors in the shape of the contract. `place`: field or parameter."""
    error = next(iter(errors))
    kind, value, context = error["type"], error.get("input"), error.get("ctx") or {}
    path = [part for part in error["loc"] if part not in ("body", "query")]
    if not path and kind == "missing":
        return BadInput("the body is empty", "Send one JSON object.")
    if not path or kind == "json_invalid":
        what = "not JSON" if kind == "json_invalid" else f"{type(value).__name__}, not an object"
        return BadInput(f"the body is {what}", "Send one JSON object.")
    name = ascii(path[0])[1:-1]
    quoted = f"{value!r:.80}"
    lines = {
        "missing": (f"the {place} {name!r} is missing", "See /api/v1/openapi.json."),
        "extra_forbidden": (f"there is no {place} {name!r}", "See /api/v1/openapi.json."),
        "string_type": (f"{quoted} is not a string", "Send a JSON string."),
        "float_type": (f"{quoted} is not a number", "Send a JSON number."),
        "int_type": (f"{quoted} is not a whole number", "Send a JSON number."),
        "dict_type": (f"{quoted} is not an object of strings", "Send a JSON object whose values are strings."),
        "tuple_type": (f"{quoted} is not a list of places", "Send whole numbers."),
        "bool_parsing": (f"{quoted} is not true or false", "Send true or false."),
        "not_allowed": (f"{quoted} is not a value of {name!r}", f"Use one of {context.get('allowed')}."),
    }
    text, remedy = lines.get(kind, (f"{quoted} is not a value of {name!r}: {error.get('msg')}", "Correct it."))
    return BadInput(text, remedy, field=name)
