# SPDX-License-Identifier: Apache-2.0
"""The prompt and the answers of annotation tools, whose users name the columns themselves.

Two columns are the answers if their names differ in the last mark only: 1 and 2, or a and b.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from data.formats.rows.conversation import add_context, read_answer, read_prompt_value
from data.formats.rows.fields import BadRow, Row, read_nested
from data.formats.shapes import PromptShape
from data.texts import join_texts

PROMPTS = ("prompt", "question", "instruction", "query", "conversation", "messages", "chat", "text")
LAST = re.compile(r"(.*?)[-_ ]?([12abAB])")
PLACES = {"1": 0, "2": 1, "a": 0, "b": 1}


def find_prompt(values: Mapping[str, Any]) -> str:
    """Return the column of the prompt. Raises BadRow if no column or several may be it."""
    found = [key for key in PROMPTS if values.get(key) not in (None, "")]
    if len(found) != 1:
        if found:
            raise BadRow.of("row.several_prompts", "prompt", names=join_texts("and", map(repr, found)))
        raise BadRow.of("row.no_prompt_column", "prompt")
    return found[0]


def find_answers(values: Mapping[str, Any]) -> tuple[str, str]:
    """Return the columns of the two answers. Raises BadRow if there is no such pair or another one."""
    stems: dict[str, dict[int, str]] = {}
    for key, value in values.items():
        if (last := LAST.fullmatch(key)) and last[1] and isinstance(value, str | list | dict):
            stems.setdefault(last[1].casefold(), {})[PLACES[last[2].casefold()]] = key
    pairs = [(places[0], places[1]) for places in stems.values() if len(places) == 2]
    if len(pairs) != 1:
        raise BadRow.of("row.several_sides" if pairs else "row.no_sides", "response1")
    return pairs[0]


def read_side_prompt(fields: Row) -> PromptShape:
    """Return the prompt after its system message and history. Raises BadRow."""
    return add_context(fields, read_prompt_value(fields, find_prompt(fields.values_by_name)))


def read_sides(fields: Row) -> tuple[PromptShape, dict[str, str]]:
    """Return the prompt, and the two answers by the names of their columns. Raises BadRow."""
    prompt = read_side_prompt(fields)
    return prompt, {key: read_answer(fields, key, prompt, blank=True) for key in find_answers(fields.values_by_name)}


def open_fields(row: Row, key: str) -> Row:
    """Return the columns that stand in a nested object; those of the row itself if it has none. Raises BadRow."""
    if key not in row:
        return row
    value = read_nested(row, key)
    if not isinstance(value, dict):
        raise BadRow.of("row.object_of_sides", key)
    return row.part(value, key)
