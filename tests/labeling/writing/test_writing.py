# SPDX-License-Identifier: Apache-2.0
"""Written answers: recorded once, and instruction rows after a review by another person."""

from __future__ import annotations

import json

import pytest
from sqlite_utils.utils import sqlite3

from data.errors import BadInput, Refused
from data.transfer.exporting import ExportRequest, export_rows
from tests.support.labeling.written_answers import ID, OTHER, TEXT, THIRD, edited


def test_an_accepted_answer_is_an_instruction_row_with_author_time_and_guideline(store, people, prompt, tmp_path):
    ana, ben = people
    store.projects.change(1, guideline="Be kind.")
    assert store.demonstrations.write(ID, prompt.id, ana.id, TEXT)
    assert store.instructions.count() == 0
    assert store.demonstrations.review(OTHER, ID, ben.id, "accepted")
    (row,) = store.instructions.all()
    assert (row.instruction, row.output, row.prompt_id, row.source) == (
        prompt.text,
        TEXT,
        prompt.id,
        f"written by labeler-{ana.id}",
    )
    export_rows(store, tmp_path / "out.jsonl", ExportRequest("instructions"))
    out = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    assert (out["author"], out["guideline_version"], out["output"]) == (f"labeler-{ana.id}", 2, TEXT)
    assert out["written_at"] == store.value("SELECT created_at FROM demonstrations")
    assert "ana" not in out["author"]


def test_what_is_sent_twice_is_recorded_once_and_an_id_says_one_thing(store, people, prompt):
    ana, ben = people
    assert [store.demonstrations.write(ID, prompt.id, ana.id, TEXT) for _ in range(2)] == [True, False]
    with pytest.raises(Refused, match="other content"):
        store.demonstrations.write(ID, prompt.id, ana.id, "no")
    assert [store.demonstrations.review(OTHER, ID, ben.id, "accepted") for _ in range(2)] == [True, False]
    assert store.instructions.count() == 1


def test_an_answer_that_is_sent_back_comes_to_its_author_with_the_reason_and_is_written_anew(store, people, prompt):
    ana, ben = people
    store.demonstrations.write(ID, prompt.id, ana.id, "thx")
    store.demonstrations.review(OTHER, ID, ben.id, "sent_back", "Too curt.")
    back = store.demonstrations.next_sent_back(ana.id)
    assert (back.demonstration.id, back.demonstration.text, back.reason) == (ID, "thx", "Too curt.")
    with pytest.raises(Refused, match="not yours"):
        store.demonstrations.write(THIRD, prompt.id, ben.id, TEXT, supersedes=ID)
    store.demonstrations.write(THIRD, prompt.id, ana.id, TEXT, supersedes=ID)
    assert store.demonstrations.next_sent_back(ana.id) is None
    assert store.demonstrations.next_to_review(ben.id).text == TEXT
    assert store.value("SELECT count(*) FROM demonstrations") == 2


def test_nobody_reviews_their_own_answer_and_each_has_one_review(store, people, prompt):
    ana, ben = people
    store.demonstrations.write(ID, prompt.id, ana.id, TEXT)
    assert store.demonstrations.next_to_review(ana.id) is None
    with pytest.raises(Refused, match="your own"):
        store.demonstrations.review(OTHER, ID, ana.id, "accepted")
    with pytest.raises(sqlite3.IntegrityError, match="of their own"):
        store.insert(
            "reviews",
            {"id": OTHER, "demonstration_id": ID, "reviewer_id": ana.id, "verdict": "accepted", "created_at": ""},
        )
    with pytest.raises(BadInput, match="the reason is empty"):
        store.demonstrations.review(OTHER, ID, ben.id, "sent_back", " ")
    store.demonstrations.review(OTHER, ID, ben.id, "accepted")
    with pytest.raises(Refused, match="has its review"):
        store.demonstrations.review(THIRD, ID, ben.id, "accepted")
    for table in ("demonstrations", "reviews"):
        with pytest.raises(sqlite3.IntegrityError, match="written once"):
            store.execute(f"UPDATE {table} SET created_at = ''")


def test_only_prompts_that_train_and_have_no_answer_yet_are_written_to(store, people, prompt):
    ana, _ = people
    test = next(each for n in range(200) if (each := store.prompts.add(f"Say {n}.", source="test")).split == "test")
    with pytest.raises(Refused, match="never trains"):
        store.demonstrations.write(ID, test.id, ana.id, TEXT)

    def offered() -> set[int]:
        result, after = [], 0
        while shown := store.demonstrations.next_prompt(ana.id, after):
            after = shown.id
            result.append(after)
        return set(result)

    store.instructions.add("Name a colour.", "Blue.", source="test")
    train = {each.id for each in store.prompts.all(split="train")} - {store.prompts.find("Name a colour.").id}
    assert offered() == train
    store.demonstrations.write(ID, prompt.id, ana.id, TEXT)
    assert offered() == train - {prompt.id}


def test_a_better_answer_written_while_comparing_waits_for_its_review_too(store, people, prompt):
    ana, ben = people
    edited(store, ana, prompt)
    waiting = store.demonstrations.next_to_review(ben.id)
    assert (waiting.text, waiting.comparison_id, waiting.author_id, waiting.guideline_version) == (TEXT, ID, ana.id, 1)
    store.demonstrations.review(OTHER, waiting.id, ben.id, "accepted")
    assert [(row.output, row.source) for row in store.instructions.all()] == [(TEXT, f"edited by labeler-{ana.id}")]


def test_an_answer_is_read_only_by_people_of_its_project(store, people, prompt):
    ana, ben = people
    team = store.projects.add("Team", "Be brief.", everyone=False)
    store.projects.change(team.id, guideline="Be very brief.")
    store.projects.add_members(team.id, [ana])
    edited(store, ana, prompt, project_id=team.id, guideline_version=1)
    assert (store.demonstrations.next_to_review(ben.id), store.demonstrations.counts(ben.id)["to_review"]) == (None, 0)
    with pytest.raises(Refused, match="of another project"):
        store.demonstrations.review(OTHER, ID, ben.id, "sent_back", "Too curt.")
    store.projects.add_members(team.id, [ben])
    assert (store.demonstrations.next_to_review(ben.id).id, store.demonstrations.counts(ben.id)["to_review"]) == (ID, 1)
    store.demonstrations.review(OTHER, ID, ben.id, "sent_back", "Too curt.")
    store.demonstrations.write(THIRD, prompt.id, ana.id, "Better.", supersedes=ID)
    anew = store.demonstrations.next_to_review(ben.id)
    assert (anew.id, anew.project_id, anew.guideline_version) == (THIRD, team.id, 2)
    store.projects.remove_members(team.id, [ben])
    assert store.demonstrations.next_to_review(ben.id) is None


def test_a_better_answer_that_was_taken_back_is_not_reviewed(store, people, prompt):
    ana, ben = people
    about = edited(store, ana, prompt)
    store.comparisons.record(id=THIRD, verdict="withdrawn", supersedes=ID, **about)
    assert store.demonstrations.next_to_review(ben.id) is None


def test_what_was_written_is_handed_over_and_erased(store, people, prompt):
    ana, ben = people
    store.demonstrations.write(ID, prompt.id, ana.id, TEXT)
    store.demonstrations.review(OTHER, ID, ben.id, "sent_back", "Too curt.")
    assert [row["text"] for row in store.personal_data.rows(ana.id) if row["kind"] == "demonstration"] == [TEXT]
    assert [row["reason"] for row in store.personal_data.rows(ben.id) if row["kind"] == "review"] == ["Too curt."]
    for person in people:
        store.personal_data.erase(person.id)
    assert [store.value(f"SELECT count(*) FROM {table}") for table in ("demonstrations", "reviews")] == [1, 1]
    assert [store.value(f"SELECT count(*) FROM {table}") for table in ("demonstration_texts", "review_reasons")] == [
        0,
        0,
    ]
