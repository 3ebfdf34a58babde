# SPDX-License-Identifier: Apache-2.0
"""A row or shape that a format cannot hold is refused, and the message names the field."""

from __future__ import annotations

import pytest

from data.formats import read_row
from data.formats.rows import hh, trl
from data.formats.rows.fields import BadRow
from data.formats.shapes import PreferenceShape, PromptShape
from tests.support.data.conversations import ASKED, SHARED, TURNS, assistant_turn


@pytest.mark.parametrize(
    ("what", "row", "reason"),
    [
        (
            "preferences",
            {"prompt": "a", "choosen": "b", "rejected": "c"},
            "the row has no 'chosen'; it has 'prompt', 'choosen', 'rejected'",
        ),
        ("preferences", {"prompt": "a", "chosen": "b"}, "the row has no 'rejected'; it has 'prompt', 'chosen'"),
        ("preferences", {"prompt": "a", "chosen": "b", "rejected": "b"}, "'chosen' and 'rejected' are the same text"),
        ("preferences", {"prompt": "a", "chosen": 3, "rejected": "b"}, "'chosen' must be text, not 3"),
        ("preferences", {"prompt": "a", "chosen": " ", "rejected": "b"}, "'chosen' is empty"),
        (
            "preferences",
            {"prompt": "a", "chosen": "\ud800", "rejected": "b"},
            "'chosen' contains half of a surrogate pair",
        ),
        ("preferences", {"prompt": "a", "chosen": "\x00", "rejected": "b"}, "'chosen' contains a NUL"),
        ("preferences", {"chosen": "b", "rejected": "c"}, "the row has no 'prompt', and no chat marks in 'chosen'"),
        ("preferences", {"chosen": "b c", "rejected": "b d"}, "the row has no 'prompt', and no chat marks in 'chosen'"),
        (
            "preferences",
            {"query": "a?", "chosen": "b c", "rejected": "b d"},
            "the row has no 'prompt', and 'query' looks like it: name it with --map prompt=query",
        ),
        ("preferences", {"prompt": "a", "chosen": "", "rejected": "b"}, "'chosen' is empty"),
        ("preferences", {"prompt": "a", "chosen": "", "rejected": ""}, "'chosen' and 'rejected' are the same text"),
        ("preferences", {"prompt": "a", "chosen": "b", "rejected": None}, "'rejected' is empty"),
        (
            "preferences",
            {"chosen": TURNS[:1] + assistant_turn("a"), "rejected": TURNS},
            "'chosen' and 'rejected' must end with an",
        ),
        (
            "preferences",
            {"chosen": TURNS[:1] + assistant_turn("a"), "rejected": TURNS + assistant_turn("b")},
            "the conversations differ before",
        ),
        (
            "preferences",
            {"prompt": TURNS[:2], "chosen": "a", "rejected": "b"},
            "'prompt' must end with a user's message",
        ),
        (
            "preferences",
            {"prompt": TURNS, "chosen": TURNS, "rejected": "b"},
            "'chosen' must be one assistant's message",
        ),
        (
            "preferences",
            {"conversations": SHARED[:1], "chosen": SHARED[0], "rejected": "b"},
            "'chosen' must be one assistant's message",
        ),
        ("instructions", {"conversations": SHARED[:1]}, "'conversations' must end with the assistant's (gpt) turn"),
        (
            "instructions",
            {"conversations": [{"from": "bing", "value": "a"}]},
            "'conversations[0]' is from 'bing'; known are system, developer",
        ),
        (
            "instructions",
            {"conversations": [{"form": "human", "value": "a"}]},
            "'conversations[0]' must be an object with 'role' and 'content', or 'from' and 'value'",
        ),
        ("instructions", {"conversations": "a"}, "'conversations' must be a list of messages"),
        (
            "instructions",
            {"instuction": "a", "output": "b"},
            "the row has no 'prompt'; it has 'instuction', 'output'",
        ),
        (
            "instructions",
            {"Conversation": []},
            "the row has no 'prompt'; it has 'Conversation'",
        ),
        ("instructions", {"instruction": "a", "output": None}, "'output' is empty"),
        ("instructions", {"instruction": "a"}, "the row has no 'output'; it has 'instruction'"),
        ("prompts", {"promt": "a"}, "the row has no 'prompt'; it has 'promt'"),
        (
            "prompts",
            {"prompt": [{"role": "tool", "content": "a"}]},
            "'prompt[0]' is a tool's turn that follows no call",
        ),
        (
            "prompts",
            {"prompt": [{"role": "user", "content": [{"type": "image"}]}]},
            "'prompt[0].content[0]' must be a text part, not image",
        ),
        ("prompts", {"prompt": [{"content": "a"}]}, "'prompt[0]' must be an object with 'role' and 'content'"),
        ("prompts", {"prompt": []}, "'prompt' must be a list of messages"),
        ("prompts", {"prompt": "a", "facts": 3}, "'facts' must be an object"),
        ("instructions", {"instruction": "a", "ouput": "b"}, "the row has no 'output'; it has 'instruction', 'ouput'"),
        ("instructions", {"instruction": "a", "output": "b", "defects": "rude"}, "'defects' must be a list"),
        ("instructions", {"messages": TURNS}, "'messages' must end with an assistant's message"),
        ("completions", {"prompt": "a", "respones": "b"}, "the row has no 'response'; it has 'prompt', 'respones'"),
    ],
)
def test_a_bad_row_says_what_is_wrong(what, row, reason):
    with pytest.raises(BadRow) as caught:
        read_row(row, what)
    assert caught.value.reason.startswith(reason)


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason"),
    [
        (
            "\n\nHuman: a\n\nAssistant: b\n\nHuman: c",
            "\n\nHuman: a\n\nAssistant: e",
            "the transcript in 'chosen' must end with",
        ),
        ("\n\nHuman: a\n\nAssistant: b", "\n\nHuman: d\n\nAssistant: c", "the transcripts differ before"),
        ("Mina: a\n\nAssistant: b", "Human: a\n\nAssistant: c", "'chosen' and 'rejected' must both begin with"),
        ("\n\nHuman: a", "\n\nHuman: b", "the transcript in 'chosen' must end with an assistant's turn"),
        ("\n\nHuman: a\n\nAssistant:", "\n\nHuman: a\n\nAssistant: c", "'chosen' is empty"),
    ],
)
def test_a_bad_transcript_says_what_is_wrong(chosen, rejected, reason):
    with pytest.raises(BadRow) as caught:
        read_row({"chosen": chosen, "rejected": rejected}, "preferences", "hh")
    assert caught.value.reason.startswith(reason)


def test_hh_refuses_to_write_what_it_could_not_read():
    system = PreferenceShape(
        PromptShape("system: s\n\nuser: u", [{"role": "system", "content": "s"}, TURNS[0]]), "a", "b"
    )
    with pytest.raises(BadRow, match="a system message cannot be written in the HH format"):
        hh.write_preference(system)
    with pytest.raises(BadRow, match="a speaker's name"):
        hh.write_preference(PreferenceShape(ASKED, "Blue.\n\nHuman: and?", "No."))


def test_an_implicit_row_whose_prompt_holds_the_template_is_refused():
    for prompt in ("a\n\n### Response:\nb", "a\n\n### Response:"):
        with pytest.raises(BadRow, match="the template's own words"):
            trl.write_implicit(PreferenceShape(PromptShape(prompt), "b", "c"))


def test_a_format_that_holds_no_such_thing_is_named():
    with pytest.raises(BadRow, match="the hh format has no instructions: each row needs '[^;]*$"):
        read_row({"prompt": "a"}, "instructions", "hh")


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "Add.", "response1": "3", "response2": "4", "annotator1": 1, "cmp_key": "a_\ud800"},
        {"prompt": "Hi", "answer1": "A", "answer2": "B", "cmp": "left", "annotator": "\x00x", "annotation_id": 5},
    ],
)
def test_a_name_that_the_store_cannot_hold_makes_a_bad_row(row):
    with pytest.raises(BadRow, match="'model or labeler' contains"):
        read_row(row, "preferences")


@pytest.mark.parametrize("blank", ["", " \n"])
def test_an_empty_answer_teaches_nothing_in_any_shape(blank):
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": blank}]
    for row in ({"conversations": turns}, {"messages": turns}, {"instruction": "Hi", "output": blank}):
        with pytest.raises(BadRow, match="empty|must end with"):
            read_row(row, "instructions")
