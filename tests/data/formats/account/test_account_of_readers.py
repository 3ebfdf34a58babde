# SPDX-License-Identifier: Apache-2.0
"""Readers mark as read what they use, and nothing else: detection, unused answers and unknown parts stay unread."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest

from data.formats import read_row
from data.formats.rows.fields import BadRow
from data.formats.tracked_row import TrackedRow
from tests.support.data.chat_rows import FIELDS, INSTRUCTIONS, OPTIONS, PREFERENCES, RECORD
from tests.support.data.published_rows import OWN, published_rows
from tests.support.data.ranked_rows import ROWS
from tests.support.data.row_mutations import follow, places

ASK, ANSWER = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}
INDEX = re.compile(r"(?<=responses\.preference)\[\d+\]")
"""The name of a question shows which responses are to it."""
LEFT = "holds an answer, which is no part of a prompt and was left out"


def unread(row: dict, what: str) -> dict:
    tracked = TrackedRow(row)
    read_row(tracked, what)
    return dict(tracked.unread())


def test_detection_reads_no_column():
    assert {"chosen", "rejected"} <= unread(ROWS["reward-bench"], "prompts").keys()
    assert {"chosen", "rejected"} <= unread(PREFERENCES["axolotl messages"][1], "prompts").keys()


@pytest.mark.parametrize("name", ["label studio", "label studio min", "argilla", "argilla flat"])
def test_prompts_of_annotation_tools_leave_the_answers_unread(name):
    row = PREFERENCES[name][1]
    paths = [path for path in unread(row, "prompts") if path.rpartition(".")[2] in ("answer1", "response_a")]
    assert len(paths) == 1
    assert read_row(OPTIONS | {"prompt": "Hi"}, "prompts").text == "Hi"


def test_a_prompt_of_an_annotation_tool_needs_no_good_answer():
    row = {**RECORD, "fields": FIELDS | {"response_a": None}, "responses": {}}
    assert read_row(row, "prompts").text == FIELDS["prompt"]


def test_an_output_of_instances_is_unread_if_prompts_are_wanted():
    assert list(unread(INSTRUCTIONS["self-instruct"][1], "prompts")) == ["instances[0].output"]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [ASK, ANSWER]},
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]},
        {"conversation": [ASK, ANSWER]},
        {"data": ["Hi", "Hello."]},
        {"transcript": "\n\nHuman: Hi\n\nAssistant: Hello."},
        {"text": "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n"},
        {"segments": [{"label": False, "text": "Hi"}, {"label": True, "text": "Hello."}]},
        {"conversation_a": [ASK, ANSWER], "conversation_b": [ASK, ANSWER | {"content": "Yes?"}]},
    ],
    ids=lambda row: next(iter(row)),
)
def test_an_answer_in_the_column_of_the_prompt_is_counted_if_prompts_are_wanted(row):
    tracked = TrackedRow(row)
    assert read_row(tracked, "prompts").text == "Hi"
    assert f"{next(iter(row))!r} {LEFT}" in tracked.notes


def test_responses_to_other_questions_of_a_record_are_unread():
    responses = {"preference": [{"value": "response_a", "user_id": "7", "note": "sure"}], "tone": [{"value": "warm"}]}
    row = {**RECORD, "fields": FIELDS, "responses": responses}
    expected = {"responses.preference.note": "sure", "responses.tone": [{"value": "warm"}]}
    assert expected.items() <= unread(row, "preferences").items()


def test_a_column_beside_the_one_that_is_read_is_unread():
    row = {"instruction": "Hi", "prompt": "Instruction: Hi\nOutput:", "response": " Hello.", "model": "m"}
    assert list(unread(row, "completions")) == ["prompt"]
    assert read_row(row, "completions").text == " Hello."


def test_keys_of_a_text_part_are_unread_and_an_image_in_it_refuses_the_row():
    def asked(**more):
        return {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", **more}]}, ANSWER]}

    assert unread(asked(image=None, cache="yes"), "instructions") == {"messages[0].content[0].cache": "yes"}
    with pytest.raises(BadRow, match="image' changes what the row means"):
        read_row(asked(image={"url": "x"}), "instructions")


def test_what_a_criterion_without_a_rating_says_is_unread():
    rated = [{"model": "m", "response": text, "overall_score": 5} for text in ("A", "B")]
    row = {"instruction": "Hi", "completions": rated}
    row["completions"][0]["annotations"] = {"honesty": {"Rating": "N/A", "Rationale": "None."}, "note": "x"}
    expected = {"completions[0].annotations.note": "x", "completions[0].annotations.honesty.Rationale": "None."}
    assert unread(row, "preferences") == expected


def test_a_prompt_that_contradicts_the_turns_beside_it_is_unread():
    row = OWN["full"][0] | {"prompt": "Hi", "messages": [ASK]}
    assert "prompt" not in unread(row, "preferences")
    assert unread(row | {"prompt": "Bye"}, "preferences")["prompt"] == "Bye"


def test_generations_beside_two_chosen_answers_are_unread():
    assert "generations" in unread(PREFERENCES["distilabel"][1], "preferences")


def test_a_call_without_its_text_is_refused():
    turns = [{"from": "human", "value": "Hi"}, {"from": "function_call", "tool_calls": "x"}]
    with pytest.raises(BadRow, match="must be a call with 'name' and 'arguments'"):
        read_row({"conversations": turns}, "prompts")


@pytest.mark.parametrize("form", published_rows())
def test_the_path_of_an_unread_column_leads_to_it(form):
    for row in published_rows()[form]:
        for path in places(row):
            if not isinstance(follow(row, path), dict):
                continue
            planted = json.loads(json.dumps(row))
            follow(planted, path)["planted"] = "seldom seen"
            where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in (*path, "planted"))[1:]
            for what in ("prompts", "instructions", "preferences", "completions"):
                tracked = TrackedRow(planted)
                with suppress(BadRow):
                    read_row(tracked, what, form)
                    found = [name for name, value in tracked.unread() if value == "seldom seen"]
                    assert found in ([], [INDEX.sub("", where)], [where]), (what, where)


def test_turns_that_are_no_turns_are_refused_and_never_read_as_a_prompt():
    with pytest.raises(BadRow, match="'messages' must be a list of messages"):
        read_row(OWN["full"][0] | {"messages": "None"}, "preferences")


def test_a_task_without_instances_is_refused():
    with pytest.raises(BadRow, match="'instances' must be a list of objects"):
        read_row({"instruction": "Hi", "instances": "[]"}, "instructions")


@pytest.mark.parametrize(
    "text",
    [
        ' {"type": "issue", "title": ""}',
        '{"from": "Oslo", "to": "Rome"}',
        '[{"role": "admin"}, {"value": 1}]',
        '{"type": "x"} is the object.',
        "[1, 2, 3]",
        '["a", "b"]',
    ],
)
@pytest.mark.parametrize("prompted", [True, False])
def test_an_answer_that_is_an_object_or_a_list_stays_text(text, prompted):
    if not prompted:
        assert read_row({"instruction": "Go", "response": text, "model": "m"}, "completions").text == text
        return
    shape = read_row({"prompt": text, "chosen": text, "rejected": f"{text} "}, "preferences")
    assert (shape.prompt.text, shape.chosen, shape.rejected) == (text, text, f"{text} ")


def test_a_chat_without_an_answer_is_no_completion():
    with pytest.raises(BadRow, match="must end with the assistant's"):
        read_row({"conversations": [{"from": "human", "value": "Hi"}]}, "completions")
