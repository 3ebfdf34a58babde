"""Answers as the page sends them: checked field by field, since anybody can send anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from data.errors import BadInput
from labeling.http.bodies import check_fields, check_value
from labeling.session import Answer, RankingAnswer

T = TypeVar("T", Answer, RankingAnswer)


def sent(kind: type[T], body: Any) -> T:
    """The answer in the body. Raises BadInput that names the field which is missing, unknown or of the wrong kind."""
    if not isinstance(body, Mapping):
        raise BadInput("there is no answer in the request", "Load the page again.", field="answer")
    known = {field.name: field.default is MISSING for field in fields(kind)}
    check_fields(dict(body), required=tuple(name for name, needed in known.items() if needed), optional=tuple(known))
    return kind(**{name: _value(name, value) for name, value in body.items()})


def _value(name: str, value: Any) -> Any:
    if name == "places":
        if not isinstance(value, list) or not all(type(place) is int for place in value):
            raise BadInput(f"{value!r:.80} is no list of places", "Send whole numbers.", field=name)
        return tuple(value)
    if name == "all_bad":
        return value is True
    check_value(name, value)
    return value
