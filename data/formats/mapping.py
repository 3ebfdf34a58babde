# SPDX-License-Identifier: Apache-2.0
"""Column mapping: the columns of a file under the names that the readers know.

`prompt=question,chosen=answers.0,model='gpt-x',system=` reads `question` as the prompt and the first of `answers` as
the chosen answer, gives every row a model, and leaves `system` out. Other columns keep their names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data.errors import BadInput
from data.formats.nested import parse_nested
from data.formats.rows.fields import BadRow
from data.formats.tracked_row import TrackedRow

ASSIGNMENT = re.compile(r"\s*([\w-]+)\s*=\s*(?:'((?:[^']|'')*)'|([^,']*?))\s*(?:,|\Z)")
STEP = re.compile(r"\.|\[(\d+)\]\.?")


@dataclass(frozen=True, slots=True)
class Mapped:
    """The origin of a column: a path of keys and list indices, or a constant. Neither of them leaves the column out."""

    path: tuple[str, ...] = ()
    constant: str | None = None


def parse_mapping(text: str) -> dict[str, Mapped]:
    """Return the mapping that a text names. Raises BadInput for anything else, and for a name that stands twice."""
    mapping: dict[str, Mapped] = {}
    place = 0
    while text[place:].strip():
        found = ASSIGNMENT.match(text, place)
        if found is None:
            raise BadInput.of("error.mapping_form", field="map", text=text[place:].strip()[:60])
        target, constant, path = found.groups()
        if target in mapping:
            raise BadInput.of("error.mapping_twice", field="map", target=target)
        steps = tuple(step for step in STEP.sub(lambda step: f"\0{step[1] or ''}\0", path or "").split("\0") if step)
        mapping[target] = Mapped(steps, None if constant is None else constant.replace("''", "'"))
        place = found.end()
    return mapping


def format_mapping(mapping: Mapping[str, Mapped]) -> str:
    """Return the text of a mapping, as `parse_mapping` reads it."""
    return ",".join(f"{target}={_format(mapped)}" for target, mapped in mapping.items())


def _format(mapped: Mapped) -> str:
    return ".".join(mapped.path) if mapped.constant is None else "'" + mapped.constant.replace("'", "''") + "'"


def apply_mapping(row: Mapping[str, Any], mapping: Mapping[str, Mapped]) -> TrackedRow:
    """Return the row under the names that the readers know. Raises BadRow for a path that the row lacks."""
    paths = {target: _path(row, mapped.path) for target, mapped in mapping.items()}
    used = {path[0] for path in paths.values() if path}
    values = {key: value for key, value in row.items() if key not in used and key not in mapping}
    sources = {}
    for target, mapped in mapping.items():
        if mapped.constant is not None:
            values[target] = mapped.constant
        elif path := paths[target]:
            values[target] = _value(row, path)
            sources[target] = ".".join(path)
    return TrackedRow(values, sources=sources)


def _path(row: Mapping[str, Any], path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the path, or the one name of a column that holds dots itself."""
    whole = ".".join(path)
    return (whole,) if whole in row else path


def _value(row: Mapping[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401 (any JSON value)
    value: Any = row
    for place, step in enumerate(path):
        if isinstance(value, str) and place:
            value = parse_nested(value)
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise BadRow.of("row.no_path", ".".join(path), path=".".join(path[: place + 1])) from None
    return value
