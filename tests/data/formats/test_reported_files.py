# SPDX-License-Identifier: Apache-2.0
"""Files of public bug reports: each means in the store what its author meant, or the refusal names the remedy."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from data.errors import BadInput
from data.transfer.checked_rows import ImportFile, Reading
from data.transfer.importing import import_files
from tests.support.data.import_rows import write
from tests.support.data.ranked_rows import ROWS, talk

BIRD, SYSTEM = "Name a bird.", {"role": "system", "content": "Be brief."}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
LOOK = {"role": "assistant", "content": "Let me look.", "tool_calls": [CALL]}
SELECTED = {"type": "pairwise", "value": {"selected": "left"}, "from_name": "cmp", "to_name": "a1,a2"}
TASK = {"prompt": BIRD, "answer1": "Robin.", "answer2": "Cat."}
BATTLE = {"model_a": "m1", "model_b": "m2"}
GO_AWAY = [*talk("Hi"), {"role": "assistant", "content": "go away", "weight": 0}]
TIED = {"score_chosen": 8.0, "score_rejected": 8.0}
RATED = [
    {"model": f"m{number}", "response": text, "overall_score": score, "annotations": {}}
    for number, (text, score) in enumerate((("Robin.", 8.0), ("Cat.", 2.0), ("Wren.", 8.0), ("Bat.", None)), 1)
]
PARTS = [{"type": "text", "text": BIRD, "image": None, "mimeType": None}]
SHARED = {"chosen": "The sky is blue", "rejected": "The sky is blue and vast"}
TOLD = [SYSTEM, *talk("Hi", "Hello.", "Bye")]

PREFERENCES: dict[str, tuple[dict, list]] = {
    "a question with a system message is a prompt of two turns": (
        {"system": "Be brief.", "question": "Legs?", "chosen": "It has eight legs.", "rejected": "It has six legs."},
        [([SYSTEM, *talk("Legs?")], "It has eight legs.", ">", "It has six legs.")],
    ),
    "a trimmed transcript is split at its marks": (
        {
            "chosen": "Human: Which pet?\n\nAssistant: A cat is easy.",
            "rejected": "Human: Which pet?\n\nAssistant: A tiger is.",
        },
        [("Which pet?", "A cat is easy.", ">", "A tiger is.")],
    ),
    "a system message beside the prompt comes first in it": (
        {"system": "Be brief.", "prompt": "Hi", "chosen": "Hello.", "rejected": "Go."},
        [([SYSTEM, *talk("Hi")], "Hello.", ">", "Go.")],
    ),
    "equal scores are a tie": (
        {"prompt": BIRD, "chosen": talk(BIRD, "Robin."), "rejected": talk(BIRD, "Wren."), **TIED},
        [(BIRD, "Robin.", "=", "Wren.")],
    ),
    "a prompt that is a transcript becomes turns and its answers lose the blank": (
        {"prompt": "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Pet?\n\nAssistant:", "chosen": " A.", "rejected": " B."},
        [(talk("Hi", "Yes?", "Pet?"), "A.", ">", "B.")],
    ),
    "rated completions are compared and an unrated one is not": (
        {"instruction": BIRD, "completions": RATED},
        [(BIRD, "Robin.", ">", "Cat."), (BIRD, "Robin.", "=", "Wren."), (BIRD, "Wren.", ">", "Cat.")],
    ),
    "a tree of messages is compared by rank": (
        ROWS["oasst"],
        [(BIRD, "Robin.", ">", "Cat."), (talk(BIRD, "Robin.", "Another?"), "Owl.", ">", "Wren.")],
    ),
    "predictions of a question with passages are compared": (
        ROWS["qa-feedback"] | {"passages": [], "preference": [1, 0, 2]},
        [
            ("What is a robin?", "A bird.", ">", "A cat."),
            ("What is a robin?", "A bird.", "=", "Red."),
            ("What is a robin?", "Red.", ">", "A cat."),
        ],
    ),
    "a label of 1 names the first output": (
        {"input": BIRD, "output_1": "A", "output_2": "B", "label": 1},
        [(BIRD, "A", ">", "B")],
    ),
    "battles of two histories are compared as wholes": (
        {**BATTLE, "conversation_a": talk("Hi", "A", "Yes?", "C"), "winner": "model_a"}
        | {"conversation_b": talk("Hi", "B", "Yes?", "D")},
        [("Hi", "assistant: A\n\nuser: Yes?\n\nassistant: C", ">", "assistant: B\n\nuser: Yes?\n\nassistant: D")],
    ),
    "two bad answers given as parts are both bad": (
        {**BATTLE, "winner": "both_bad"}
        | {
            f"conversation_{side}": [{"role": "user", "content": PARTS}, {"role": "assistant", "content": text}]
            for side, text in (("a", [PARTS[0] | {"text": "Cat."}]), ("b", "Dog."))
        },
        [(BIRD, "Cat.", "bad", "Dog.")],
    ),
    "a preferred output wins": (
        {"input": {"messages": talk("Hi"), "tools": []}}
        | {"preferred_output": talk("", "Hello.")[1:], "non_preferred_output": talk("", "What?")[1:]},
        [("Hi", "Hello.", ">", "What?")],
    ),
    "a task of Label Studio names the left answer": (
        {"id": 1, "annotations": [{"completed_by": 1, "result": [SELECTED]}], "data": TASK},
        [(BIRD, "Robin.", ">", "Cat.")],
    ),
    "a short task of Label Studio names the left answer": (
        {**TASK, "cmp": "left", "id": 1, "annotator": 1, "annotation_id": 5, "lead_time": 3.1},
        [(BIRD, "Robin.", ">", "Cat.")],
    ),
    "an empty answer is a worse answer": ({"prompt": BIRD, "chosen": "A", "rejected": ""}, [(BIRD, "A", ">", "")]),
    "answers that are JSON stay texts": (
        {"prompt": "Sort.", "chosen": "[1, 2]", "rejected": ' {"type": "list", "from": 2}'},
        [("Sort.", "[1, 2]", ">", ' {"type": "list", "from": 2}')],
    ),
}
INSTRUCTIONS: dict[str, tuple[dict, tuple]] = {
    "history and system come before the instruction": (
        {"instruction": "Bye", "input": "", "output": "Ciao.", "system": "Be brief.", "history": [["Hi", "Hello."]]},
        (TOLD, "Ciao."),
    ),
    "the last answer of weight 1 is learned": (
        {"messages": [*GO_AWAY, *talk("Sorry?"), {"role": "assistant", "content": "Hello.", "weight": 1}]},
        (talk("Hi", "go away", "Sorry?"), "Hello."),
    ),
    "a log of chats is read": (
        {"conversation_id": "c", "model": "m1", "conversation": talk("Hi", "Hello."), "turn": 1, "redacted": False},
        ("Hi", "Hello."),
    ),
    "a question with a system prompt is read": (
        {"system_prompt": "Be brief.", "question": "Hi?", "response": "Hello."},
        ([SYSTEM, *talk("Hi?")], "Hello."),
    ),
    "a developer's message is the system message": (
        {"messages": [SYSTEM | {"role": "developer"}, *talk("Hi", "Hello.")]},
        ([SYSTEM, *talk("Hi")], "Hello."),
    ),
    "text parts are texts and speakers may be capitalised": (
        {"messages": [{"role": "User", "content": PARTS}, {"role": "Assistant", "content": "Robin."}]},
        (BIRD, "Robin."),
    ),
    "the context of an instruction is its input": (
        {"instruction": "Who won?", "context": "Bo won.", "response": "Bo.", "category": "closed_qa"},
        ("Who won?\n\nBo won.", "Bo."),
    ),
    "a good answer of KTO is learned": ({"prompt": "3+3?", "completion": "6", "label": True}, ("3+3?", "6")),
}
REFUSED: dict[str, tuple[str, dict, str]] = {
    "a beginning that both answers share": (
        "preferences",
        SHARED,
        "--format trl-implicit takes the beginning that both share",
    ),
    "a prompt under an unknown name": (
        "preferences",
        {"post": "Legs?", "chosen": "It has eight.", "rejected": "It has six."},
        "--map prompt=post",
    ),
    "a last turn that calls a tool": ("instructions", {"messages": [*talk("Oslo?"), LOOK]}, "calls a tool"),
    "a bad answer of KTO": ("instructions", {"prompt": "2+2?", "completion": "5", "label": False}, "'label'"),
    "a last answer of weight 0": ("instructions", {"messages": GO_AWAY}, "one not to imitate (weight)"),
    "two equal answers": ("preferences", {"prompt": "Q", "chosen": "Cod.", "rejected": "Cod."}, "are the same text"),
    "a chat as preferences": (
        "preferences",
        {"messages": talk("Hi", "Hello.")},
        "this row can be imported with --as prompts or --as instructions or --as completions",
    ),
}


def prompts(store) -> dict[int, list | str]:
    return {prompt.id: prompt.messages or prompt.text for prompt in store.prompts.all()}


def compared(store) -> list[tuple]:
    """Return (prompt, better answer, sign, worse answer) of each comparison; of a tie the answers in their order."""
    rows = store.rows(
        "SELECT p.prompt_id, c.verdict, c.winner_id, a.id AS a, a.text AS first, b.text AS second FROM comparisons AS c"
        " JOIN pairs AS p ON p.id = c.pair_id JOIN completions AS a ON a.id = c.left_id"
        " JOIN completions AS b ON b.id = c.right_id"
    )
    asked, found = prompts(store), []
    for row in rows:
        texts = [row["first"], row["second"]]
        if row["winner_id"] is None:
            sign, texts = "bad" if row["verdict"] == "both_bad" else "=", sorted(texts)
        else:
            sign, texts = ">", texts if row["winner_id"] == row["a"] else texts[::-1]
        found.append((asked[row["prompt_id"]], texts[0], sign, texts[1]))
    return found


def put(store, path: Path, row: dict, what: str, form: str = "auto") -> dict:
    return import_files(store, [ImportFile.at(write(path, [row]))], Reading(what, form))


@pytest.mark.parametrize("claim", PREFERENCES)
def test_a_preference_is_stored_as_its_author_meant_it(store, tmp_path, claim):
    row, expected = PREFERENCES[claim]
    put(store, tmp_path / "rows.jsonl", row, "preferences")
    assert sorted(compared(store), key=repr) == sorted(expected, key=repr)


@pytest.mark.parametrize("claim", INSTRUCTIONS)
def test_an_instruction_is_stored_as_its_author_meant_it(store, tmp_path, claim):
    row, (asked, answer) = INSTRUCTIONS[claim]
    put(store, tmp_path / "rows.jsonl", row, "instructions")
    assert (list(prompts(store).values()), store.value("SELECT output FROM instructions")) == ([asked], answer)


@pytest.mark.parametrize("claim", REFUSED)
def test_a_row_that_is_refused_names_the_reason(store, tmp_path, claim):
    what, row, reason = REFUSED[claim]
    with pytest.raises(BadInput) as refused:
        put(store, tmp_path / "rows.jsonl", row, what)
    assert reason in str(refused.value)
    assert store.prompts.count() == 0


def test_a_derived_prompt_is_counted(store, tmp_path):
    result = put(store, tmp_path / "rows.jsonl", SHARED, "preferences", "trl-implicit")
    assert compared(store) == [("The sky is", "blue", ">", "blue and vast")]
    assert list(result["notes"].values()) == [1]


def test_a_tool_is_called_and_answers_before_the_last_turn(store, tmp_path):
    tool = {"role": "tool", "tool_call_id": "c1", "content": "5 C"}
    row = {"messages": [*talk("Oslo?"), LOOK | {"content": None}, tool, *talk("", "It is 5.")[1:]]}
    put(store, tmp_path / "rows.jsonl", row | {"tools": [{"name": "weather", "parameters": {}}]}, "instructions")
    [turns] = prompts(store).values()
    assert [turn["role"] for turn in turns] == ["system", "user", "assistant", "tool"]
    assert turns[2]["tool_calls"][0]["function"]["name"] == "weather"


def test_messages_in_cells_and_columns_of_bytes_mean_what_objects_do(store, tmp_path):
    row = {"prompt": talk("Hi"), "chosen": talk("", "Hello")[1:], "rejected": talk("", "Go")[1:]}
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([row, map(json.dumps, row.values())])
    packed = pa.Table.from_pylist([{"prompt": b"Bytes", "chosen": b"a", "rejected": b"b"}])
    parquet.write_table(packed, tmp_path / "rows.parquet")
    import_files(store, [ImportFile.at(tmp_path / name) for name in ("rows.csv", "rows.parquet")], "preferences")
    assert compared(store) == [("Hi", "Hello", ">", "Go"), ("Bytes", "a", ">", "b")]


def test_models_of_files_of_one_name_are_those_that_the_rows_name(store, tmp_path):
    for folder, model, text in (("a", "gpt-x", "Robin."), ("b", "llama-y", "Wren.")):
        (tmp_path / folder).mkdir()
        row = {"instruction": BIRD, "output": text, "generator": model}
        (tmp_path / folder / "model_outputs.json").write_text(json.dumps([row]))
    files = [ImportFile.at(tmp_path / folder / "model_outputs.json") for folder in "ab"]
    assert import_files(store, files, "completions")["next"].endswith("1 pair waits: open /label")
    assert {answer.model_name for answer in store.completions.of_prompt(1)} == {"gpt-x", "llama-y"}
