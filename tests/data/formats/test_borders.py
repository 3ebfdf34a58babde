# SPDX-License-Identifier: Apache-2.0
"""No border of a text is guessed: marks of chat templates split it, or the row is refused."""

from __future__ import annotations

import pytest

from data.formats import read_row
from data.formats.rows.fields import BadRow
from data.formats.rows.trl_implicit import DERIVED
from data.formats.shapes import PromptShape
from data.formats.tracked_row import TrackedRow
from data.formats.transcripts import parse_transcript

TURNS = [
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi, what is it?"},
    {"role": "user", "content": "Which pet is easy?"},
]
SYSTEM = {"role": "system", "content": "Be brief."}
TEMPLATES = {
    "hh": "\n\nHuman: Hello\n\nAssistant: Hi, what is it?\n\nHuman: Which pet is easy?\n\nAssistant: ",
    "hh without its first line ends": "Human: Hello\n\nAssistant: Hi, what is it?\n\nHuman: Which pet is easy?\n\nAssistant: ",
    "chatml": "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi, what is it?<|im_end|>\n"
    "<|im_start|>user\nWhich pet is easy?<|im_end|>\n<|im_start|>assistant\n",
    "llama 2": "<s>[INST] Hello [/INST] Hi, what is it? </s><s>[INST] Which pet is easy? [/INST] ",
    "llama 3": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nHi, what is it?<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWhich pet is easy?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "gemma": "<bos><start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\nHi, what is it?<end_of_turn>\n"
    "<start_of_turn>user\nWhich pet is easy?<end_of_turn>\n<start_of_turn>model\n",
    "zephyr": "<|user|>\nHello</s>\n<|assistant|>\nHi, what is it?</s>\n<|user|>\nWhich pet is easy?</s>\n<|assistant|>\n",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_marks_of_a_chat_template_split_both_answers_from_their_prompt(name):
    row = {key: TEMPLATES[name] + text for key, text in (("chosen", "A cat."), ("rejected", "A tiger."))}
    shape = read_row(row, "preferences")
    assert (shape.prompt.messages, shape.chosen, shape.rejected) == (TURNS, "A cat.", "A tiger.")


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_prompt_that_is_a_transcript_becomes_turns_and_is_counted(name):
    row = TrackedRow({"prompt": TEMPLATES[name].rstrip(" "), "chosen": " A cat.", "rejected": " A tiger."})
    shape = read_row(row, "preferences")
    spaced = "hh" in name or name == "llama 2"
    assert (shape.prompt.messages, shape.chosen) == (TURNS, "A cat." if spaced else " A cat.")
    assert row.notes == ["'prompt' is a transcript and was read as turns"]


def test_the_system_message_of_a_template_is_one_of_the_prompt():
    text = "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHello [/INST] Hi </s>"
    assert parse_transcript(text).messages == [SYSTEM, TURNS[0], {"role": "assistant", "content": "Hi"}]


@pytest.mark.parametrize(
    "text",
    [
        "Say <|im_start|>user\nHello<|im_end|>",
        "<|im_start|>user\nHello<|im_end|> and more",
        "<|im_start|>robot\nHello<|im_end|>",
        "[INST] Hello",
        "Human: rights are universal.",
        "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\nHi",
    ],
)
def test_text_that_marks_do_not_cover_stays_text(text):
    assert parse_transcript(text) is None


@pytest.mark.parametrize(
    ("text", "mark"),
    [("Say <|im_end|> now", "<|im_end|>"), ("It is \n\nHuman: b", "Human:"), ("[INST] Hello", "[INST]")],
)
def test_control_marks_in_a_text_are_counted(text, mark):
    row = TrackedRow({"prompt": "a", "chosen": text, "rejected": "c"})
    assert read_row(row, "preferences").chosen == text
    assert row.notes == [f"'chosen' contains the mark {mark!r} and stays text"]


@pytest.mark.parametrize("column", ["query", "Question", "task", "post"])
def test_a_prompt_under_another_name_is_named(column):
    row = {column: "How many legs has a spider?", "chosen": "A spider has eight.", "rejected": "A spider has six."}
    for form in ("auto", "trl", "trl-implicit"):
        with pytest.raises(BadRow, match=f"{column!r} looks like it: name it with --map prompt={column}"):
            read_row(row, "preferences", form)


def test_a_shared_beginning_is_a_prompt_only_for_those_who_ask_and_is_counted():
    row = {"chosen": "The sky is blue", "rejected": "The sky is blue and vast"}
    with pytest.raises(BadRow, match="--format trl-implicit"):
        read_row(row, "preferences")
    tracked = TrackedRow(row)
    shape = read_row(tracked, "preferences", "trl-implicit")
    assert (shape.prompt.text, shape.chosen, shape.rejected) == ("The sky is", "blue", "blue and vast")
    assert tracked.notes == [DERIVED]
    marked = {key: TEMPLATES["chatml"] + text for key, text in (("chosen", "A cat."), ("rejected", "A tiger."))}
    tracked = TrackedRow(marked)
    assert read_row(tracked, "preferences", "trl-implicit").prompt.messages == TURNS
    assert tracked.notes == []


def test_answers_may_repeat_the_prompt_as_turns_only():
    row = {"prompt": TURNS[:1], "chosen": [*TURNS[:1], TURNS[1]], "rejected": [{"role": "assistant", "content": "Go"}]}
    shape = read_row(row, "preferences")
    assert (shape.prompt, shape.chosen, shape.rejected) == (PromptShape("Hello"), "Hi, what is it?", "Go")
    other = [{"role": "user", "content": "Bye"}, TURNS[1]]
    with pytest.raises(BadRow, match="or repeat the prompt before it"):
        read_row(row | {"chosen": other}, "preferences")
