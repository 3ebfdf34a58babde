# SPDX-License-Identifier: Apache-2.0
"""Every column of a row is read, or told as not read, or the row is refused because of it."""

from __future__ import annotations

import pytest

from data.formats import FORMATS, read_row
from data.formats.columns import MOST, OTHERS, ROLES, Columns, describe_columns
from data.formats.registry import FORMATS as MODULES
from data.formats.registry import SHARED
from data.formats.rows import preference_metadata
from data.formats.rows.fields import BadRow
from data.formats.tracked_row import TrackedRow

HI = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
ROWS = {
    "prompts": {"prompt": "a"},
    "instructions": {"prompt": "a", "completion": "b"},
    "preferences": {"prompt": "a", "chosen": "b", "rejected": "c"},
    "pairs": {"prompt": "a", "chosen": "b", "rejected": "c"},
    "completions": {"prompt": "a", "response": "b"},
}
CONTEXT = ("context", "tool_calls", "function_call", "reasoning_content", "chat_template_kwargs", "images")
VERDICTS = ("label", "score", "score_chosen", "helpful_score", "rank", "rating", "ratings", "preference_strength")


@pytest.mark.parametrize("what", ROWS)
@pytest.mark.parametrize("column", CONTEXT)
def test_a_column_that_changes_what_was_asked_is_never_dropped(what, column):
    with pytest.raises(BadRow) as caught:
        read_row(ROWS[what] | {column: {"x": 1}}, what)
    assert caught.value.field == column
    assert caught.value.reason.startswith(f"{column!r} changes what the row means")
    for blank in (None, "", [], {}):
        read_row(ROWS[what] | {column: blank}, what)


@pytest.mark.parametrize("what", ["instructions", "preferences"])
@pytest.mark.parametrize("column", VERDICTS)
def test_a_verdict_that_a_format_does_not_read_is_never_dropped(what, column):
    form = "trl"
    with pytest.raises(BadRow) as caught:
        read_row(ROWS[what] | {column: 1}, what, form)
    assert caught.value.field == column


@pytest.mark.parametrize("what", ["prompts", "pairs", "completions"])
def test_a_verdict_changes_neither_a_prompt_nor_answers_that_wait_for_one(what):
    row = TrackedRow(ROWS[what] | {"score": 3, "label": False})
    read_row(row, what)
    assert dict(row.unread()) == {"score": 3, "label": False}


def test_columns_inside_a_message_count_as_well():
    told = [HI[0] | {"num_tokens": 3}, HI[1]]
    row = TrackedRow({"messages": told, "lang": "en", "note": None})
    read_row(row, "instructions")
    assert dict(row.unread()) == {"messages[0].num_tokens": 3, "lang": "en"}
    with pytest.raises(BadRow, match=r"'messages\[1\].reasoning' changes what the row means"):
        read_row({"messages": [HI[0], HI[1] | {"reasoning": "He greets."}]}, "instructions")


def test_the_account_says_what_each_column_was_read_as_and_gives_an_example_of_the_others():
    columns = Columns()
    for number in range(3):
        row = TrackedRow({"system": "Be brief.", "prompt": f"{number}", "chosen": "a", "rejected": "b", "lang": "en"})
        read_row(row, "preferences")
        columns.add(row)
    assert describe_columns(columns.report()) == [
        "read: system (system message), prompt (prompt), chosen (better answer), rejected (worse answer)",
        "not read: lang (3 rows, such as 'en')",
    ]


def test_every_reading_of_a_column_has_a_name_in_every_language():
    columns = [form.module.COLUMNS for form in MODULES.values()] + [preference_metadata.COLUMNS, SHARED, {"": "value"}]
    assert {role for readings in columns for role in readings.values()} == ROLES.keys()


def test_the_account_does_not_grow_with_made_up_columns():
    columns = Columns()
    for number in range(2 * MOST):
        row = TrackedRow({"prompt": "a", f"column {number}": 1})
        read_row(row, "prompts")
        columns.add(row)
    report = columns.report()
    assert len(report) <= MOST + 1
    assert sum(column["rows"] for column in report if column["column"] == OTHERS) == MOST + 1


@pytest.mark.parametrize(
    ("row", "turns"),
    [
        ({"system": "Be brief.", "prompt": "Hi"}, [("system", "Be brief."), ("user", "Hi")]),
        ({"system_prompt": "Be brief.", "instruction": "Hi"}, [("system", "Be brief."), ("user", "Hi")]),
        ({"system": "Be brief.", "messages": HI[:1]}, [("system", "Be brief."), ("user", "Hi")]),
        (
            {"system": "Be brief.", "conversations": [{"from": "Human", "value": "Hi"}]},
            [("system", "Be brief."), ("user", "Hi")],
        ),
        (
            {"history": [["Hi", "Hello."]], "instruction": "Bye", "input": ""},
            [("user", "Hi"), ("assistant", "Hello."), ("user", "Bye")],
        ),
        (
            {"history": "[['Hi', 'Hello.']]", "prompt": "Bye"},
            [("user", "Hi"), ("assistant", "Hello."), ("user", "Bye")],
        ),
        ({"history": HI, "prompt": "Bye"}, [("user", "Hi"), ("assistant", "Hello."), ("user", "Bye")]),
        ({"prompt": [{"role": "developer", "content": "Be brief."}, HI[0]]}, [("system", "Be brief."), ("user", "Hi")]),
    ],
)
def test_system_message_and_history_are_turns_of_the_prompt(row, turns):
    messages = read_row(row, "prompts").messages
    assert [(turn["role"], turn["content"]) for turn in messages] == turns


def test_two_different_system_messages_are_refused():
    with pytest.raises(BadRow, match="another system message than the row's own"):
        read_row({"system": "Be brief.", "prompt": [{"role": "system", "content": "Be long."}, HI[0]]}, "prompts")
    with pytest.raises(BadRow, match="'system' and 'system_prompt' differ"):
        read_row({"system": "Be brief.", "system_prompt": "Be long.", "prompt": "a"}, "prompts")


def test_context_of_an_instruction_is_its_input():
    row = {"instruction": "Who won?", "context": "Bo won.", "response": "Bo."}
    assert read_row(row, "prompts").text == read_row(row, "completions").prompt.text == "Who won?\n\nBo won."
    assert read_row(row, "instructions").output == "Bo."
    with pytest.raises(BadRow, match="'input' and 'context' both hold a text"):
        read_row(row | {"input": "x"}, "prompts")


def test_each_instance_of_a_task_is_a_row_of_its_own():
    row = {"instruction": "Add.", "instances": [{"input": "1 2", "output": "3"}, {"input": "2 2", "output": "4"}]}
    assert [(shape.input, shape.output) for shape in read_row(row, "instructions")] == [("1 2", "3"), ("2 2", "4")]
    assert [shape.text for shape in read_row(row, "prompts")] == ["Add.\n\n1 2", "Add.\n\n2 2"]


def test_every_format_declares_its_name_its_keys_and_what_it_reads():
    assert set(FORMATS) == set(MODULES) >= {"alpaca", "arena", "full", "hh", "kto", "pandalm", "sharegpt", "trl"}
    for form in MODULES.values():
        assert form.name == form.module.NAME
        assert all(isinstance(need, frozenset) for need in form.needs)
        assert not form.needs or any(need & set(form.module.COLUMNS) for need in form.needs)
        assert any(form.reader(what) for what in ROWS)
