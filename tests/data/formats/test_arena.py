# SPDX-License-Identifier: Apache-2.0
"""Files in which people judged two answers: battles with a winner, and several annotators' votes on one pair."""

from __future__ import annotations

import json

import pytest

from data.errors import BadInput
from data.formats import detect_format, guess_content, read_row
from data.formats.rows.fields import BadRow
from data.formats.shapes import PairShape, PromptShape, Vote
from data.transfer.checked_rows import ImportFile
from data.transfer.import_survey import MOST_LABELERS
from data.transfer.importing import import_file
from data.transfer.previewing import preview
from data.views.preferences import preference_rows
from tests.support.data import published_rows
from tests.support.data.import_rows import counted


def talk(*said: str) -> list[dict]:
    return [
        {"role": role, "content": text, "num_tokens": 3}
        for role, text in zip(("user", "assistant") * 2, said, strict=False)
    ]


BATTLE = published_rows.BATTLE | {
    "conversation_a": talk("하늘은 무슨 색?", "빨강 🟥"),
    "conversation_b": talk("하늘은 무슨 색?", "파랑"),
    "language": "Korean",
}
RELEASE = {
    "prompt": '["Name a colour."]',
    "response_a": '["Blue."]',
    "response_b": '["Go away."]',
    "winner_model_a": 1,
    "winner_tie": 0,
}
PANDA = {
    "idx": 1,
    "motivation_app": "Grammarly",
    "cmp_key": "bloom-7b_llama-7b",
    "instruction": "Add.",
    "input": "1 2",
    "response1": "3",
    "response2": "4",
    "annotator1": 1,
    "annotator2": 2,
    "annotator3": 0,
}


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_battle_is_two_answers_and_a_vote():
    answers = (("빨강 🟥", "koala"), ("파랑", "vicuna"))
    assert read_row(BATTLE, "preferences") == PairShape(
        PromptShape("하늘은 무슨 색?"), answers, (Vote(1, labeler="arena_user_7"),)
    )


def test_a_battle_of_the_later_releases_reads_the_same():
    plain = {"prompt": "Name a colour.", "response_a": "Blue.", "response_b": "Go away.", "winner": "model_a"}
    shape = PairShape(PromptShape("Name a colour."), (("Blue.", None), ("Go away.", None)), (Vote(0),))
    assert read_row(RELEASE, "preferences") == read_row(plain, "preferences") == shape


@pytest.mark.parametrize(
    ("winner", "vote"),
    [("model_a", Vote(0)), ("model_b", Vote(1)), ("tie", Vote(None)), ("tie (bothbad)", Vote(None, both_bad=True))],
)
def test_every_winner_of_a_battle_has_its_vote(winner, vote):
    assert read_row({**BATTLE, "winner": winner, "judge": None}, "preferences").votes == (vote,)


def test_each_annotator_of_a_pair_has_a_vote_and_the_key_names_the_models():
    shape = read_row(PANDA, "preferences")
    assert (shape.prompt.text, shape.answers) == ("Add.\n\n1 2", (("3", "bloom-7b"), ("4", "llama-7b")))
    assert shape.votes == (
        Vote(0, labeler="annotator1"),
        Vote(1, labeler="annotator2"),
        Vote(None, labeler="annotator3"),
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (BATTLE | {"winner": "model_c"}, 'the winner "model_c" is unknown; use one of model_a'),
        (BATTLE | {"conversation_b": talk("Name a day.", "Monday.")}, "begin with different prompts"),
        (BATTLE | {"conversation_b": talk("하늘은 무슨 색?")}, "must end with the assistant's answer"),
        (BATTLE | {"conversation_b": BATTLE["conversation_a"]}, "the two answers are the same text"),
        (RELEASE | {"winner_model_b": 1}, "'model_a' and 'model_b' are both marked"),
        (RELEASE | {"response_b": '["a", "b"]'}, "'prompt' has 1 turns and 'response_b' has 2"),
        (PANDA | {"annotator2": 3}, "'annotator2' must be 1, 2 or 0"),
        (PANDA | {"response1": True}, "'response1' must be text, not true"),
        ({**BATTLE, "winner": None}, "the row has no vote on the better answer.*--as pairs"),
        ({"prompt": "a", "a_text": "b", "b_text": "c", "label": 2}, "'label' must be 1, 0.5 or 0"),
    ],
)
def test_what_is_wrong_with_a_judged_row_is_said(row, reason):
    with pytest.raises(BadRow, match=reason):
        read_row(row, "preferences")


@pytest.mark.parametrize(
    ("row", "form", "what"),
    [
        (BATTLE, "arena", "preferences"),
        (RELEASE, "arena", "preferences"),
        (PANDA, "pandalm", "preferences"),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "trl", "preferences"),
        ({"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"}, "hh", "preferences"),
        ({"instruction": "a", "output": "b"}, "alpaca", "instructions"),
        ({"instruction": "a", "response": "b"}, "alpaca", "completions"),
        ({"prompt": "a", "response": "b", "model": "c"}, "trl", "completions"),
        ({"messages": talk("a", "b")}, "openai", "instructions"),
        ({"prompt": "a"}, "trl", "prompts"),
    ],
)
def test_format_and_kind_are_found_out_by_the_keys(row, form, what):
    assert (detect_format(row), guess_content(row)) == (form, what)


def test_three_votes_on_a_pair_are_three_comparisons_by_three_labelers(store, tmp_path):
    file = write(tmp_path / "testset.jsonl", [PANDA])
    assert counted(import_file(store, file, "preferences")) == {"read": 1, "added": 1, "duplicate": 0, "rejected": 0}
    text = {row.labeler: row.chosen for row in preference_rows(store)}
    assert text == {
        "file:testset.jsonl (annotator1)": "3",
        "file:testset.jsonl (annotator2)": "4",
        "file:testset.jsonl (annotator3)": None,
    }
    assert store.pairs.count() == 1
    assert {
        store.completions.get(id).model_name for id in (store.pairs.all()[0].first_id, store.pairs.all()[0].second_id)
    } == {
        "bloom-7b",
        "llama-7b",
    }
    assert import_file(store, file, "preferences")["duplicate"] == 1
    assert store.comparisons.count() == 3


def test_battles_keep_ties_both_bad_and_every_character(store, tmp_path):
    battles = [
        {**BATTLE, "winner": winner, "judge": f"arena_user_{n}"}
        for n, winner in enumerate(("model_b", "tie", "tie (bothbad)"))
    ]
    import_file(store, write(tmp_path / "battles.json", battles), "preferences")
    events = store.comparisons.events()
    assert sorted(event.verdict.split("_")[0] for event in events)[0] == "both"
    assert [event.verdict for event in events].count("tie") == 1
    [won] = [row for row in preference_rows(store) if row.label != 0.5]
    assert (won.prompt, won.chosen, won.rejected, won.margin) == ("하늘은 무슨 색?", "파랑", "빨강 🟥", 2)


def test_the_same_rows_come_in_as_pairs_to_be_judged(store, tmp_path):
    rows = [BATTLE, {**RELEASE, "winner_model_a": None}, PANDA]
    file = write(tmp_path / "given.jsonl", rows)
    assert counted(import_file(store, file, "pairs")) == {"read": 3, "added": 3, "duplicate": 0, "rejected": 0}
    assert (store.comparisons.count(), store.pairs.waiting_count()) == (0, 3)
    assert import_file(store, file, "pairs")["duplicate"] == 3


def test_the_many_judges_of_an_open_arena_are_one_account(store, tmp_path):
    battles = [
        {
            **BATTLE,
            "judge": f"arena_user_{n}",
            "conversation_a": talk(f"Say {n}.", "a"),
            "conversation_b": talk(f"Say {n}.", "b"),
        }
        for n in range(MOST_LABELERS + 1)
    ]
    import_file(store, write(tmp_path / "arena.json", battles), "preferences")
    assert {row.labeler for row in preference_rows(store)} == {"file:arena.json"}


def test_a_preview_says_what_is_in_the_files_and_writes_nothing(store, tmp_path):
    given = write(tmp_path / "given.jsonl", [PANDA, BATTLE, PANDA | {"annotator1": 5}])
    result = preview([ImportFile.at(given)])
    assert (result.what, result.formats, result.good, result.bad) == ("preferences", {"pandalm": 1, "arena": 1}, 2, 1)
    assert (result.comparisons, result.labelers) == (4, 4)
    assert result.first_bad.startswith(f"{given}:3: 'annotator1' must be 1, 2 or 0")
    assert [set(row) for row in result.shown] == [{"prompt", "answers", "votes", "source"}] * 2
    assert store.prompts.count() == 0
    with pytest.raises(BadInput, match="the file is empty"):
        preview([ImportFile.at(write(tmp_path / "none.jsonl", []))])
