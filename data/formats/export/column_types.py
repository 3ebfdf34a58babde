# SPDX-License-Identifier: Apache-2.0
"""Types of table columns: a name for each, and its structure, from which every file kind derives its own schema.

A structure is the name of a scalar type, a list with the structure of its elements, or an object with one for each key.
The type `json` is any value, as the `datasets` library names it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

Structure: TypeAlias = "str | list[Structure] | dict[str, Structure]"

MESSAGE: Structure = {"role": "string", "content": "string"}
CALL: Structure = {"id": "string", "type": "string", "function": {"name": "string", "arguments": "string"}}
TOOL_MESSAGE: Structure = {
    **dict.fromkeys(("role", "content", "tool_call_id", "name", "tools"), "string"),
    "tool_calls": [CALL],
}
"""A turn with the fields of `data.turns`. Files without tools do without these nulls."""
TOOL_MESSAGES = "messages with tools"
TURN: Structure = {"from": "string", "value": "string"}
STRUCTURES: Mapping[str, Structure] = {
    "text": "string",
    "integer": "int64",
    "number": "float64",
    "boolean": "bool",
    "json": "string",
    "texts": ["string"],
    "integers": ["int64"],
    "messages": [MESSAGE],
    TOOL_MESSAGES: [TOOL_MESSAGE],
    "request": {"messages": [MESSAGE]},
    "turn": TURN,
    "turns": [TURN],
}
"""Kind of a column -> its structure. A `json` column holds any value as JSON text."""
PLAIN = ("text", "integer", "number")
"""Kinds that a CSV cell holds as they are; the others are JSON."""
CELLS = (*PLAIN, "boolean")
"""Kinds that a reader of CSV recognises in a cell."""


def arrow_type(structure: Structure) -> pa.DataType:
    """Return the Arrow type of a structure."""
    import pyarrow as pa  # takes a second, so only Parquet exports load it

    if isinstance(structure, str):
        return pa.type_for_alias(structure)
    if isinstance(structure, list):
        return pa.list_(arrow_type(structure[0]))
    return pa.struct([(name, arrow_type(part)) for name, part in structure.items()])


def count_bytes(value: object, structure: Structure) -> int:
    """Return the bytes of a value in Arrow's layout, without validity bitmaps; offsets take 4 bytes each."""
    if isinstance(structure, dict):
        parts = value if isinstance(value, dict) else {}
        return sum(count_bytes(parts.get(name), part) for name, part in structure.items())
    if isinstance(structure, list):
        return 4 + sum(count_bytes(item, structure[0]) for item in (value if isinstance(value, list) else ()))
    if structure in ("string", "json"):
        text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
        return 4 + len(text.encode("utf-8"))
    return 1 if structure == "bool" else 8


def feature_lines(name: str, structure: Structure, indent: str = "  ") -> list[str]:
    """Return the YAML of a feature in a dataset card, as the `datasets` library writes it."""
    return [f"{indent}- name: {name}", *_body(structure, f"{indent}  ")]


def _body(structure: Structure, indent: str) -> list[str]:
    if isinstance(structure, str):
        return [f"{indent}dtype: {structure}"]
    if isinstance(structure, dict):
        return [f"{indent}struct:", *_parts(structure, indent)]
    (element,) = structure
    if isinstance(element, str):
        return [f"{indent}list: {element}"]
    if isinstance(element, dict):
        return [f"{indent}list:", *_parts(element, indent)]
    return [f"{indent}list:", *_body(element, f"{indent}  ")]


def _parts(structure: Mapping[str, Structure], indent: str) -> list[str]:
    return [line for name, part in structure.items() for line in feature_lines(name, part, indent)]
