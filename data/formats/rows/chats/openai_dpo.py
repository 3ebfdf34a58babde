# SPDX-License-Identifier: Apache-2.0
"""OpenAI's preference files, also those of Fireworks, Together and Azure.

`input` holds `messages` and `tools`; `preferred_output` and `non_preferred_output` hold the assistant's messages.
"""

from __future__ import annotations

from data.formats.rows.conversation import add_context, as_messages, make_prompt, read_answer
from data.formats.rows.export_values import write_answer
from data.formats.rows.fields import BadRow, Row, read_nested
from data.formats.rows.messages import read_messages
from data.formats.rows.preference_metadata import make_preference
from data.formats.shapes import PairShape, PreferenceShape, PromptShape
from data.turns import split_tools

NAME = "openai-dpo"
NEEDS = (frozenset({"input", "preferred_output", "non_preferred_output"}),)
COLUMNS = {"input": "turns", "preferred_output": "better answer", "non_preferred_output": "worse answer"}


def read_prompt(row: Row) -> PromptShape:
    """Return the turns of `input`, with its tools."""
    value = read_nested(row, "input")
    if not isinstance(value, dict):
        raise BadRow.of("row.object_of", "input", keys="'messages'")
    part: Row = row.part(value, "input")
    return add_context(part, make_prompt(read_messages(part, "messages"), "input.messages"))


def read_preference(row: Row) -> PreferenceShape | PairShape:
    """Return the preferred answer over the other one."""
    prompt = read_prompt(row)
    keys = ("preferred_output", "non_preferred_output")
    return make_preference(row, prompt, *(read_answer(row, key, prompt, blank=True) for key in keys))


def write_preference(shape: PreferenceShape) -> dict:
    """Return the row of a preference, with the tools of the prompt in `input`."""
    messages, tools = split_tools(as_messages(shape.prompt))
    answers = {"preferred_output": write_answer(shape.chosen), "non_preferred_output": write_answer(shape.rejected)}
    return {"input": {"messages": messages} | ({"tools": tools} if tools else {})} | answers
