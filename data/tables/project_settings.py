# SPDX-License-Identifier: Apache-2.0
"""Settings of a labeling project: their types, their ranges and the columns that store them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from data.errors import BadInput
from data.tables.forms import Form

NAME_LENGTH, GUIDELINE_LENGTH, MOST_OVERLAP = 60, 100_000, 50.0


class Settings(TypedDict):
    """The settings of a project besides its name and guideline."""

    form: NotRequired[Form]
    overlap: NotRequired[float]
    gold_rate: NotRequired[float]
    repeat_rate: NotRequired[float]
    everyone: NotRequired[bool]
    closed: NotRequired[bool]


class Changes(Settings):
    """The settings of a project that may change, its name and guideline included."""

    name: NotRequired[str]
    guideline: NotRequired[str]


def settings_row(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of the given settings. Raises BadInput for a malformed name or a value out of range."""
    row = dict(changes)
    if "name" in row:
        row["name"] = row["name"].strip()
        if not (0 < len(row["name"]) <= NAME_LENGTH and row["name"].isprintable()):
            raise BadInput.of("error.project_name", given=row["name"][:80], most=NAME_LENGTH, field="name")
    if "form" in row:
        row["form"] = row["form"].written()
    for name, low, high in (("overlap", 1.0, MOST_OVERLAP), ("gold_rate", 0.0, 0.5), ("repeat_rate", 0.0, 0.5)):
        if name in row and not low <= row[name] <= high:
            raise BadInput.of("error.project_range", field=name, name=name, given=row[name], low=low, high=high)
    return {name: int(value) if isinstance(value, bool) else value for name, value in row.items()}


def checked_guideline(text: str) -> str:
    """Return the guideline without outer white space. Raises BadInput if it is empty or too long."""
    if not text.strip():
        raise BadInput.of("error.guideline_empty", field="guideline")
    if len(text) > GUIDELINE_LENGTH:
        raise BadInput.of("error.guideline_long", length=len(text), most=GUIDELINE_LENGTH, field="guideline")
    return text.strip()
