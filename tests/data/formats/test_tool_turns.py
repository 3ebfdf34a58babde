# SPDX-License-Identifier: Apache-2.0
"""Tool calls, tools and their answers are turns of the prompt, from every shape in which files hold them."""

from __future__ import annotations

import json

import pytest

from data.formats import read_row
from data.formats.rows import hh, trl
from data.formats.rows.fields import BadRow
from data.formats.shapes import PreferenceShape
from data.formats.tracked_row import TrackedRow
from data.tables.prompts import conversation_text
from data.turns import split_tools

ASKED = {"role": "user", "content": "Weather in Oslo?"}
ANSWER = {"role": "assistant", "content": "It is 5 degrees."}
ARGUMENTS = {"city": "Oslo"}
FUNCTION = {"name": "weather", "arguments": json.dumps(ARGUMENTS)}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": FUNCTION}]}
RESULT = {"role": "tool", "content": "5 C"}
DEFINITION = {"type": "function", "function": {"name": "weather", "parameters": {}}}
DEFINED = {"role": "system", "content": "", "tools": json.dumps([DEFINITION])}
TURNS = [ASKED, CALL, RESULT]
SHARED = [
    {"from": "human", "value": "Weather in Oslo?"},
    {"from": "function_call", "value": json.dumps({"name": "weather", "arguments": ARGUMENTS})},
    {"from": "observation", "value": "5 C"},
    {"from": "gpt", "value": "It is 5 degrees."},
]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [*TURNS, ANSWER]},
        {"messages": [ASKED, {**CALL, "content": None}, RESULT, ANSWER]},
        {"messages": [ASKED, {"role": "assistant", "tool_calls": CALL["tool_calls"]}, RESULT, ANSWER]},
        {
            "messages": [
                ASKED,
                {**CALL, "tool_calls": [{"function": {"name": "weather", "arguments": ARGUMENTS}}]},
                RESULT,
                ANSWER,
            ]
        },
        {"messages": [ASKED, {"role": "assistant", "content": None, "function_call": FUNCTION}, RESULT, ANSWER]},
        {
            "messages": [
                ASKED,
                {"role": "tool_call", "content": json.dumps(FUNCTION)},
                {"role": "tool_response", "content": "5 C"},
                ANSWER,
            ]
        },
        {"messages": json.dumps([*TURNS, ANSWER])},
        {"conversations": SHARED},
        {"prompt": TURNS, "completion": [ANSWER]},
    ],
)
def test_every_shape_of_a_call_becomes_the_same_turns(row):
    shape = read_row(TrackedRow(row), "instructions")
    assert (shape.messages, shape.output) == (TURNS, "It is 5 degrees.")


@pytest.mark.parametrize(
    "tools",
    [
        {"tools": [DEFINITION]},
        {"tools": json.dumps([DEFINITION])},
        {"tools": [json.dumps(DEFINITION)]},
        {"tools": [DEFINITION["function"]]},
        {"functions": [DEFINITION["function"]]},
    ],
)
def test_definitions_of_tools_are_part_of_the_system_message(tools):
    assert read_row({"messages": [*TURNS, ANSWER], **tools}, "instructions").messages == [DEFINED, *TURNS]
    preference = {"prompt": "Hi", "system": "Be brief.", "chosen": "Hello.", "rejected": "No."}
    prompt = read_row(preference | tools, "preferences").prompt
    assert prompt.messages[0] == DEFINED | {"content": "Be brief."}
    assert split_tools(prompt.messages)[1] == [DEFINITION]


def test_ids_names_and_several_calls_are_kept():
    calls = [{"id": f"c{n}", "type": "function", "function": {"name": "weather", "arguments": "{}"}} for n in (1, 2)]
    turns = [ASKED, {**CALL, "content": "Let me look.", "tool_calls": calls}]
    turns += [{**RESULT, "tool_call_id": f"c{n}", "name": "weather"} for n in (1, 2)]
    assert read_row({"messages": [*turns, ANSWER]}, "instructions").messages == turns
    said = {"from": "gpt", "value": "Let me look."}
    joined = read_row({"conversations": [SHARED[0], said, *SHARED[1:]]}, "instructions").messages
    assert joined == [ASKED, {**CALL, "content": "Let me look."}, RESULT]


def test_what_the_format_writes_it_reads_back_with_tools():
    prompt = read_row({"prompt": TURNS, "tools": [DEFINITION]}, "prompts")
    shape = PreferenceShape(prompt, "It is 5 degrees.", "No idea.")
    assert read_row(trl.write_conversational(shape), "preferences") == shape
    with pytest.raises(BadRow, match="cannot be written in the HH format"):
        hh.write_preference(shape)


def test_a_person_reads_calls_and_tools_and_no_two_prompts_read_the_same():
    text = conversation_text([DEFINED, *TURNS])
    assert 'call: weather({"city": "Oslo"})' in text
    assert '"name": "weather"' in text
    other = [{**CALL, "tool_calls": [{"type": "function", "function": {**FUNCTION, "arguments": "{}"}}]}]
    texts = {conversation_text(turns) for turns in (TURNS, [DEFINED, *TURNS], [ASKED, *other, RESULT])}
    assert len(texts) == 3


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": [ASKED, CALL]}, "'messages[1]' calls a tool, and an answer is a text"),
        (
            {"messages": [ASKED, {**CALL, "content": "Let me look."}]},
            "'messages[1]' calls a tool, and an answer is a text",
        ),
        ({"prompt": "Hi", "completion": [CALL]}, "'completion[0]' calls a tool"),
        ({"conversations": SHARED[:2]}, "'conversations[1]' calls a tool"),
        ({"messages": [ASKED, RESULT, ANSWER]}, "'messages[1]' is a tool's turn that follows no call"),
        (
            {"messages": [ASKED, {**CALL, "tool_calls": ["weather"]}, ANSWER]},
            "'messages[1].tool_calls[0]' must be a call",
        ),
        (
            {"messages": [ASKED, {**CALL, "tool_calls": [{"id": "c1"}]}, ANSWER]},
            "'messages[1].tool_calls[0].name' is empty",
        ),
        (
            {"conversations": [SHARED[0], {"from": "function_call", "value": "weather"}, SHARED[3]]},
            "'conversations[1].value' must be JSON",
        ),
        ({"messages": [ASKED, ANSWER], "tools": {"x": 1}}, "'tools' must be a list of tools"),
        ({"messages": [ASKED, ANSWER], "tools": [{"x": 1}]}, "'tools[0]' must be a function with a name"),
        (
            {"messages": [ASKED, ANSWER], "tools": [DEFINITION], "functions": [DEFINITION]},
            "'tools' and 'functions' both",
        ),
    ],
)
def test_a_call_that_cannot_be_kept_is_refused(row, reason):
    with pytest.raises(BadRow) as caught:
        read_row(row, "instructions")
    assert caught.value.reason.startswith(reason)
