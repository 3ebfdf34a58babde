# SPDX-License-Identifier: Apache-2.0
"""Rows are read as every kind that they plainly contain; a refusal names the kinds that the row can be imported as."""

from __future__ import annotations

import re

import pytest

from data.formats import read_row
from data.formats.rows.fields import BadRow
from data.formats.tracked_row import TrackedRow
from data.tables.prompts import conversation_text
from data.transfer.importing import import_file
from tests.support.data.chat_rows import BAD, BLUE, GPT, HUMAN, INSTRUCTIONS, PREFERENCES, USER
from tests.support.data.import_rows import HH, TRL, write
from tests.support.data.published_rows import OWN, published_rows
from tests.support.data.ranked_rows import ROWS

TALK = "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Name a day.\n\nAssistant:"
LATER = {"chosen": f"{TALK} Monday.", "rejected": f"{TALK} Never."}
TURNS = [("user", "Hi"), ("assistant", "Hello."), ("user", "Name a day.")]
SHARED = {"chosen": "The sky is blue", "rejected": "The sky is green"}


def completions(row: dict, form: str = "auto") -> list[tuple[str, str, str | None]]:
    shapes = read_row(row, "completions", form)
    return [(each.prompt.text, each.text, each.model) for each in (shapes if isinstance(shapes, list) else [shapes])]


def test_the_prompt_of_transcripts_is_their_turns_before_the_last_answer():
    row = TrackedRow(LATER)
    assert [(turn["role"], turn["content"]) for turn in read_row(row, "prompts").messages] == TURNS
    assert row.notes == ["'chosen' holds an answer, which is no part of a prompt and was left out"]
    assert read_row(HH, "prompts").text == "Name a day."


def test_the_prompt_of_two_conversations_is_their_turns_before_the_last_answer():
    row = {"chosen": [USER, BLUE], "rejected": [USER, BAD], "score_chosen": 1, "score_rejected": 5}
    assert read_row(row, "prompts").text == USER["content"]
    assert read_row(SHARED, "prompts", "trl-implicit").text == "The sky is"
    with pytest.raises(BadRow, match="--format trl-implicit takes the beginning that both share"):
        read_row(SHARED, "prompts")


def test_prompts_and_completions_of_hh_files_are_imported_once(store, tmp_path):
    file = write(tmp_path / "hh.jsonl", [HH, LATER])
    assert [import_file(store, file, "prompts")["added"] for _ in range(2)] == [2, 0]
    assert {prompt.text for prompt in store.prompts.all()} == {
        "Name a day.",
        conversation_text([{"role": role, "content": text} for role, text in TURNS]),
    }
    assert [import_file(store, file, "completions")["added"] for _ in range(2)] == [4, 0]
    assert store.value("SELECT count(*) FROM pairs") == 2


@pytest.mark.parametrize(
    "name", ["llama-factory sharegpt", "unsloth chatml", "axolotl segments", "self-instruct", "text with marks"]
)
def test_the_last_answer_of_a_chat_is_a_completion_of_the_model_that_the_row_names(name):
    assert completions(INSTRUCTIONS[name][1] | {"model": "m"}) == [("Name a colour.", "Blue.", "m")]


def test_a_chat_whose_answer_is_not_to_be_imitated_is_a_completion():
    for row in ({"conversations": [HUMAN, GPT | {"train": False}]}, {"conversations": [HUMAN, GPT], "weight": 0}):
        assert completions(row) == [("Name a colour.", "Blue.", None)]
        with pytest.raises(BadRow):
            read_row(row, "instructions")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (HH, [("Monday.", None), ("Never.", None)]),
        (TRL | {"chosen_model": "a", "rejected_model": "b"}, [("An oak.", "a"), ("No.", "b")]),
        (TRL | {"score_chosen": 1, "score_rejected": 5, "margin": -1}, [("An oak.", None), ("No.", None)]),
        (OWN["arena"][0], [("Cat.", "koala"), ("Robin.", "vicuna")]),
        (OWN["arena"][2], [("Robin.", None), ("Cat.", None)]),
        (OWN["full"][0], [("Robin.", None), ("Cat.", None)]),
        (OWN["pandalm"][0], [("Robin.", "bloom-7b"), ("Cat.", "llama-7b")]),
        *(
            (PREFERENCES[name][1], [("Blue.", None), ("Go away.", None)])
            for name in ("openai-dpo", "llama-factory sharegpt", "axolotl messages", "intel orca", "label studio")
        ),
        *((PREFERENCES[name][1], [("Blue.", None), ("Go away.", None)]) for name in ("argilla", "prodigy")),
        (PREFERENCES["prodigy"][1] | {"prompt": "Q", "text": ""}, [("Blue.", None), ("Go away.", None)]),
        (SHARED | {"prompt": "Q"}, [(SHARED["chosen"], None), (SHARED["rejected"], None)]),
    ],
)
def test_both_answers_of_a_preference_are_completions_whatever_its_verdict(row, expected):
    assert [(text, model) for _, text, model in completions(row)] == expected


@pytest.mark.parametrize("form", published_rows())
def test_rows_of_every_format_hold_prompts_and_completions(form):
    for what in ("prompts", "completions"):
        refused = []
        for row in published_rows()[form]:
            try:
                assert read_row(row, what, form)
            except BadRow as bad:
                refused.append(bad.reason)
        assert len(refused) < len(published_rows()[form]), refused


@pytest.mark.parametrize(
    ("row", "what", "kinds"),
    [
        (HH, "instructions", ["prompts", "preferences", "pairs", "completions"]),
        (ROWS["shp"], "instructions", ["prompts", "preferences", "pairs", "completions"]),
        ({"text": "Name a bird."}, "preferences", ["prompts"]),
        ({"messages": [USER, BLUE]}, "pairs", ["prompts", "instructions", "completions"]),
    ],
)
def test_a_refusal_names_the_kinds_that_the_row_can_be_imported_as(row, what, kinds):
    with pytest.raises(BadRow) as refused:
        read_row(row, what)
    assert re.findall(r"--as (\w+)", refused.value.reason.partition("; this row can be imported with ")[2]) == kinds
    for kind in kinds:
        assert read_row(row, kind)


def test_a_refusal_of_a_row_that_holds_nothing_promises_nothing():
    with pytest.raises(BadRow, match=r"the trl format has no completions: each row needs [^;]*$"):
        read_row({"nothing": 1}, "completions")
