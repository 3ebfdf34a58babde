# SPDX-License-Identifier: Apache-2.0
"""The rows of each format become the same shapes, and the shapes become the same rows again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.formats import read_row
from data.formats.rows import alpaca, hh, trl
from data.formats.rows.fields import BadRow
from data.formats.shapes import InstructionShape, PreferenceShape, PromptShape
from tests.support.data.conversations import ASKED, SHARED, TURNS, assistant_turn

HUMAN = "\n\nHuman: Name a colour."
BLUE = PreferenceShape(ASKED, "Blue.", "Go away.")
TALK = PreferenceShape(PromptShape("user: Name a colour.\n\nassistant: Red.\n\nuser: Another.", TURNS), "Blue.", "No.")


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "Name a colour.", "input": "", "output": "x", "chosen": "Blue.", "rejected": "Go away."},
        {"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Go away."},
        {
            "chosen": "<|im_start|>user\nName a colour.<|im_end|>\n<|im_start|>assistant\nBlue.<|im_end|>\n",
            "rejected": "<|im_start|>user\nName a colour.<|im_end|>\n<|im_start|>assistant\nGo away.<|im_end|>\n",
        },
        {"prompt": TURNS[:1], "chosen": assistant_turn("Blue."), "rejected": assistant_turn("Go away.")},
        {"chosen": TURNS[:1] + assistant_turn("Blue."), "rejected": TURNS[:1] + assistant_turn("Go away.")},
        {
            "prompt": "any",
            "chosen": TURNS[:1] + assistant_turn("Blue."),
            "rejected": TURNS[:1] + assistant_turn("Go away."),
        },
        {"conversations": SHARED[:1], "chosen": SHARED[1], "rejected": {"from": "gpt", "value": "Go away."}},
        {"chosen": f"{HUMAN}\n\nAssistant: Blue.", "rejected": f"{HUMAN}\n\nAssistant: Go away."},
    ],
    ids=[
        "alpaca",
        "explicit",
        "implicit with chat marks",
        "conversational",
        "implicit conversational",
        "with whole conversations",
        "sharegpt",
        "hh",
    ],
)
def test_one_preference_reads_the_same_from_every_shape(row):
    assert read_row(row, "preferences") == BLUE


WRITERS = {
    "trl": trl.write_explicit,
    "trl-implicit": trl.write_implicit,
    "trl-conversational": trl.write_conversational,
    "hh": hh.write_preference,
    "alpaca": alpaca.write_preference,
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_format_writes_it_reads_back(name):
    assert read_row(WRITERS[name](BLUE), "preferences", name) == BLUE


@pytest.mark.parametrize("name", ["trl-conversational", "hh"])
def test_conversations_survive_where_the_format_has_turns(name):
    assert read_row(WRITERS[name](TALK), "preferences", name) == TALK


PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1).filter(str.strip)


@pytest.mark.parametrize("name", WRITERS)
@given(prompt=PLAIN, chosen=PLAIN, rejected=PLAIN)
def test_any_text_goes_round_unchanged_or_is_refused(name, prompt, chosen, rejected):
    shape = PreferenceShape(PromptShape(prompt), chosen, rejected)
    if chosen == rejected:
        return
    try:
        row = WRITERS[name](shape)
    except BadRow:
        return
    assert read_row(row, "preferences", name) == shape


def test_a_margin_a_mark_and_models_are_kept():
    row = {"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Go away."}
    stated = {"margin": 3.0, "source": "simulated", "chosen_model": "p2", "rejected_model": "p1"}
    shape = read_row(row | stated, "preferences")
    assert (shape.margin, shape.source, shape.chosen_model, shape.rejected_model) == (3, "simulated", "p2", "p1")


@pytest.mark.parametrize("margin", [None, 0.7, 5, ""])
def test_a_margin_on_another_scale_counts_as_clearly(margin):
    row = {"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Go away.", "margin": margin}
    assert read_row(row, "preferences").margin == 2


@pytest.mark.parametrize(
    ("row", "shape"),
    [
        ({"prompt": "Name a colour."}, ASKED),
        ({"prompt": TURNS[:1]}, ASKED),
        ({"prompt": TURNS}, TALK.prompt),
        ({"messages": TURNS + assistant_turn("Blue.")}, TALK.prompt),
        ({"conversations": SHARED}, ASKED),
        ({"instruction": "Name a colour.", "input": "<noinput>", "output": "x"}, ASKED),
        ({"instruction": "Name it.", "input": "a colour"}, PromptShape("Name it.\n\na colour")),
        ({"instruction": "Name it.", "instances": [{"input": "a colour"}]}, PromptShape("Name it.\n\na colour")),
        ({"prompt": "Hi", "family": "f", "facts": {"n": 1}}, PromptShape("Hi", None, "f", {"n": 1})),
    ],
)
def test_prompts_read_from_every_shape(row, shape):
    assert read_row(row, "prompts") == shape


@pytest.mark.parametrize(
    ("row", "shape"),
    [
        ({"instruction": "a", "input": "b", "output": "c", "text": "ignored"}, InstructionShape("a", "b", "c")),
        ({"prompt": "a", "completion": "c"}, InstructionShape("a", "", "c")),
        ({"prompt": TURNS[:1], "completion": assistant_turn("c")}, InstructionShape("Name a colour.", "", "c")),
        ({"conversations": SHARED}, InstructionShape("Name a colour.", "", "Blue.")),
        ({"conversations": TURNS + SHARED[1:]}, InstructionShape(TALK.prompt.text, "", "Blue.", TURNS)),
        (
            {"system": "Be brief.", "conversations": SHARED},
            InstructionShape(
                "system: Be brief.\n\nuser: Name a colour.",
                "",
                "Blue.",
                [{"role": "system", "content": "Be brief."}, TURNS[0]],
            ),
        ),
        ({"messages": TURNS + assistant_turn("c")}, InstructionShape(TALK.prompt.text, "", "c", TURNS)),
        (
            {"instruction": "a", "output": "c", "family": "f", "defects": ["rude"]},
            InstructionShape("a", "", "c", family="f", defects=("rude",)),
        ),
    ],
)
def test_instructions_read_from_every_shape(row, shape):
    assert read_row(row, "instructions") == shape


def test_the_text_of_an_alpaca_row_is_made_by_the_stated_template():
    without = alpaca.write_instruction(InstructionShape("Add.", "", "3"))["text"]
    assert without == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nAdd.\n\n### Response:\n3"
    )
    with_input = alpaca.write_instruction(InstructionShape("Add.", "1 2", "3"))["text"]
    assert with_input.endswith("### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n3")
