# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning files, chats and exports of annotation tools are read in the shape in which they are published."""

from __future__ import annotations

import pytest

from data.formats import ALIASES, FORMATS, detect_format, guess_content, read_row
from data.formats.rows.fields import BadRow
from data.formats.shapes import PairShape, PreferenceShape, PromptShape, Vote
from data.formats.tracked_row import TrackedRow
from tests.support.data.chat_rows import (
    ANNOTATION,
    ASK,
    BAD,
    BLUE,
    FIELDS,
    GOOD,
    INSTRUCTIONS,
    OPTIONS,
    PAIRWISE,
    PREFERENCES,
    RECORD,
    RESPONSE,
    TASK,
    USER,
    WORSE,
)

ASKED = PromptShape(ASK)
ROWS = {
    f"{name} ({kind})": row
    for kind, rows in (("sft", INSTRUCTIONS), ("dpo", PREFERENCES))
    for name, row in rows.items()
}


def read_one(row: dict, what: str, form: str = "auto"):
    shapes = read_row(row, what, form)
    return shapes[0] if isinstance(shapes, list) else shapes


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_a_demonstration_reads_the_same_by_name_and_automatically(name):
    form, row = INSTRUCTIONS[name]
    assert detect_format(row) == form
    for asked in ("auto", form):
        shape = read_one(row, "instructions", asked)
        assert (shape.prompt, shape.output) == (ASKED, GOOD)


@pytest.mark.parametrize("name", PREFERENCES)
def test_a_preference_reads_the_same_by_name_and_automatically(name):
    form, row = PREFERENCES[name]
    assert detect_format(row) == form
    for asked in ("auto", form):
        shape = read_one(row, "preferences", asked)
        pair = shape.pair if isinstance(shape, PreferenceShape) else shape
        assert pair.prompt == ASKED
        assert [text for text, _ in pair.answers] == [GOOD, WORSE]
        assert [vote.winner for vote in pair.votes] == [0]


@pytest.mark.parametrize("name", ROWS)
def test_prompts_and_pairs_come_from_the_same_rows(name):
    form, row = ROWS[name]
    assert read_one(row, "prompts") == ASKED
    if name.endswith("(dpo)"):
        pair = read_one(row, "pairs")
        assert (pair.prompt, {text for text, _ in pair.answers}) == (ASKED, {GOOD, WORSE})


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_no_row_with_one_answer_is_a_preference(name):
    with pytest.raises(BadRow):
        read_row(INSTRUCTIONS[name][1], "preferences")


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [USER, BLUE], "model": "m"},
        {"messages": [USER, BLUE], "model": "m", "label": False},
        {"query": ASK, "response": GOOD, "model": "m"},
        {"question": ASK, "answer": GOOD, "model": "m"},
        {"conversation": [USER, BLUE], "model": "m"},
        {"transcript": f"\n\nHuman: {ASK}\n\nAssistant: {GOOD}", "model_type": "m", "rating": 3},
        {"instruction": ASK, "output": GOOD, "kto_tag": False, "model": "m"},
        {"input": ASK, "generations": [GOOD], "generation_models": ["m"], "ratings": [1]},
    ],
)
def test_answers_are_completions_of_the_model_that_the_row_names(row):
    shape = read_one(row, "completions")
    assert (shape.prompt, shape.text, shape.model) == (ASKED, GOOD, "m")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": [USER, {**BLUE, "weight": 0}]}, "is marked as one not to imitate (weight)"),
        ({"messages": [USER, {**BLUE, "loss": False}]}, "is marked as one not to imitate (loss)"),
        ({"messages": [USER, {**BLUE, "training": "false"}]}, "is marked as one not to imitate (training)"),
        ({"messages": [USER, {**BLUE, "training_detail": [{"begin_offset": 0}]}]}, "training_detail' changes what"),
        ({"messages": [USER, BLUE], "label": False}, "'label' does not say true"),
        ({"messages": [USER, BLUE], "kto_tag": False}, "'kto_tag' does not say true"),
        ({"instruction": ASK, "output": GOOD, "kto_tag": "0"}, "'kto_tag' does not say true"),
        ({"question": ASK, "completion": GOOD, "label": False}, "'label' does not say true"),
        ({"question": ASK, "answer": GOOD, "context": "c"}, "'context' changes what the row means"),
        ({"question": ASK, "answer": GOOD, "response": GOOD}, "both 'answer' and 'response'"),
        ({"transcript": f"\n\nHuman: {ASK}\n\nAssistant: {GOOD}", "rating": 4}, "'rating' changes what the row means"),
        ({"text": ASK}, "no marks in 'text' say where an answer begins"),
        (
            {"segments": [{"label": True, "text": ASK}, {"label": False, "text": "x"}]},
            "must end with a text to imitate",
        ),
        ({"segments": [{"label": True, "text": GOOD}]}, "must end with a text to imitate"),
        ({"data": []}, "'data' must be a list of texts"),
        (
            {"messages": [USER, {"role": "assistant", "content": [{"type": "image_url"}]}]},
            "must be a text part, not image_url",
        ),
    ],
)
def test_what_is_not_to_be_imitated_is_no_demonstration(row, reason):
    with pytest.raises(BadRow) as caught:
        read_row(row, "instructions")
    assert reason in caught.value.reason


def test_earlier_answers_of_weight_0_stay_in_the_prompt():
    shape = read_row({"messages": [USER, {**BAD, "weight": 0}, USER, {**BLUE, "weight": 1}]}, "instructions")
    assert [turn["content"] for turn in shape.messages] == [ASK, WORSE, ASK]


def test_every_segment_before_the_last_true_ones_is_the_prompt():
    texts = [(True, "<s>Hello\n"), (True, "hi there!. "), (False, "goodbye "), (True, "fare"), (True, "well</s>")]
    shape = read_row({"segments": [{"label": label, "text": text} for label, text in texts]}, "instructions")
    assert (shape.prompt.text, shape.output) == ("<s>Hello\nhi there!. goodbye ", "farewell</s>")


@pytest.mark.parametrize(
    ("row", "winners"),
    [
        ({"data": TASK, "annotations": []}, []),
        ({"data": TASK, "annotations": [{**ANNOTATION, "was_cancelled": True}]}, []),
        (
            {
                "data": TASK,
                "annotations": [ANNOTATION, {**ANNOTATION, "result": [{**PAIRWISE, "value": {"selected": "right"}}]}],
            },
            [0, 1],
        ),
        ({**RECORD, "fields": FIELDS, "responses": {}}, []),
        ({**RECORD, "fields": FIELDS, "responses": {"q": [{**RESPONSE, "status": "discarded"}]}}, []),
        ({**RECORD, "fields": FIELDS, "responses": {"q": [RESPONSE, {**RESPONSE, "value": "tie"}]}}, [0, None]),
        ({**RECORD, "fields": FIELDS, "responses": {"q": [RESPONSE], "why": [{"value": "It is."}]}}, [0]),
        ({"text": ASK, **OPTIONS, "accept": []}, []),
        ({"text": ASK, **OPTIONS, "accept": [1, 2]}, [None]),
        ({"text": ASK, **OPTIONS, "accept": [2]}, [1]),
        ({"input": ASK, "generations": [GOOD, WORSE], "ratings": [3, 3]}, [None]),
        ({"input": ASK, "chosen": GOOD, "rejected": WORSE, "generations": [GOOD, WORSE], "rating": [3, 3]}, [None]),
    ],
)
def test_votes_are_those_of_the_annotators(row, winners):
    if not winners:
        with pytest.raises(BadRow, match="no vote on the better answer"):
            read_row(row, "preferences")
    shape = read_one(row, "preferences" if winners else "pairs")
    assert isinstance(shape, PairShape)
    assert [vote.winner for vote in shape.votes] == winners


def test_an_annotator_is_the_labeler_of_the_vote():
    for name in ("label studio", "label studio min", "argilla", "argilla flat", "prodigy"):
        assert read_one(PREFERENCES[name][1], "preferences").votes == (Vote(0, labeler="7"),)


def test_an_accepted_option_is_better_than_each_other_one():
    options = [{"id": number, "text": text} for number, text in enumerate((GOOD, WORSE, "Red."))]
    pairs = read_row({"text": ASK, "options": options, "accept": [2], "answer": "accept"}, "preferences")
    assert [([text for text, _ in pair.answers], pair.votes[0].winner) for pair in pairs] == [
        ([GOOD, "Red."], 1),
        ([WORSE, "Red."], 1),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": ASK, **OPTIONS, "answer": "ignore"}, "'answer' is 'ignore': the annotator did not accept"),
        ({"text": ASK, **OPTIONS, "accept": [3]}, "'accept' names '3', which is no option"),
        ({"data": {**TASK, "answer1b": "x", "answer1a": "y"}, "annotations": []}, "several pairs of columns"),
        ({"data": {"prompt": ASK, "answer1": GOOD}, "annotations": []}, "no two columns are the answers"),
        (
            {"data": {"q": ASK, "answer1": GOOD, "answer2": WORSE}, "annotations": []},
            "no column is known as the prompt",
        ),
        (
            {"input": ASK, "chosen": GOOD, "rejected": WORSE, "generations": [GOOD, WORSE], "rating": [1, 3]},
            "'chosen' has the lower",
        ),
        ({"input": ASK, "generations": [GOOD, WORSE], "ratings": [3]}, "there are 2 generations and 1 ratings"),
        (
            {"input": {"messages": [USER]}, "preferred_output": BLUE, "non_preferred_output": [USER]},
            "must be one assistant's",
        ),
    ],
)
def test_a_row_that_names_no_clear_vote_is_refused(row, reason):
    with pytest.raises(BadRow) as caught:
        read_row(row, "preferences")
    assert caught.value.reason.startswith((reason, f"'non_preferred_output' {reason}"))


@pytest.mark.parametrize(
    ("rows", "content"),
    [
        (
            ("openai-dpo", "ms-swift", "ms-swift query", "intel orca", "label studio", "argilla", "prodigy"),
            "preferences",
        ),
        (("openai", "ms-swift query", "llama-factory alpaca", "openorca", "question and answer"), "instructions"),
        (("kto", "lmsys-chat-1m"), "completions"),
    ],
)
def test_the_kind_of_a_file_is_guessed_by_what_its_rows_hold(rows, content):
    published = PREFERENCES if content == "preferences" else INSTRUCTIONS
    assert [guess_content(published[name][1]) for name in rows] == [content] * len(rows)


def test_other_names_of_a_format_read_it():
    assert set(ALIASES.values()) <= set(FORMATS)
    for alias, name in {
        "lmsys-chat": "lmsys-chat-1m",
        "orca": "openorca",
        "dolly": "dolly",
        "ultrachat": "ultrachat",
    }.items():
        assert read_one(INSTRUCTIONS[name][1], "instructions", alias).output == GOOD


def test_a_machines_suggestion_is_no_vote_and_is_counted():
    row = TrackedRow(PREFERENCES["argilla flat"][1])
    read_row(row, "preferences")
    assert row.notes == ["'preference.suggestion' is a machine's suggestion and was not used"]
