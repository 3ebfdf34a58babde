# SPDX-License-Identifier: Apache-2.0
"""Answers that people write.

Recorded once, read by a second person, and only then instruction rows that know where they come from.
"""

from __future__ import annotations

import json
import re

import pytest
from sqlite_utils.utils import sqlite3
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data.errors import BadInput, Refused
from data.transfer.exporting import ExportRequest, export_rows
from labeling.accounts.gate import Gate
from labeling.accounts.sign_in import COOKIE
from labeling.writing import page

ID, OTHER, THIRD = "a" * 16, "b" * 16, "c" * 16
TEXT = "미나야, 고마워!\n잘 읽을게."


@pytest.fixture
def people(store):
    return [store.accounts.add(name, "labeler") for name in ("ana", "ben")]


@pytest.fixture
def prompt(store):
    """A prompt of the train split."""
    added = [store.prompts.add(f"Thank Mina for gift {n}.", source="test") for n in range(12)]
    return next(each for each in added if each.split == "train")


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
        found, after = [], 0
        while shown := store.demonstrations.next_prompt(ana.id, after):
            after = shown.id
            found.append(after)
        return set(found)

    store.instructions.add("Name a colour.", "Blue.", source="test")
    train = {each.id for each in store.prompts.all(split="train")} - {store.prompts.find("Name a colour.").id}
    assert offered() == train
    store.demonstrations.write(ID, prompt.id, ana.id, TEXT)
    assert offered() == train - {prompt.id}


def edited(store, ana, prompt, **about):
    """A comparison with a better answer that its labeler wrote."""
    rows = [{"prompt_id": prompt.id, "model_name": model, "text": model, "number": 0} for model in ("one", "two")]
    pair = store.pairs.add(prompt.id, *store.completions.add_many(rows))
    about |= {
        "pair_id": pair.id,
        "labeler_id": ana.id,
        "left_id": pair.first_id,
        "right_id": pair.second_id,
        "source": "import",
    }
    store.comparisons.record(id=ID, verdict="left", edit=(pair.first_id, TEXT), **about)
    return about


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


def test_writing_is_offered_to_people_of_the_standard_project_while_it_is_open(store, people, clients, prompt):
    ana, ben = people
    store.demonstrations.write(ID, prompt.id, ana.id, "thx")
    store.demonstrations.review(OTHER, ID, ben.id, "sent_back", "Too curt.")
    for changes in ({"closed": True}, {"closed": False, "everyone": False}):
        store.projects.change(1, **changes)
        assert (store.demonstrations.next_prompt(ben.id), store.demonstrations.next_sent_back(ana.id)) == (None, None)
        assert "Only members of the Standard project can" in clients[1].get(page.WRITE).text
        sent = clients[1].post(page.WRITE, data={"prompt": str(prompt.id), "id": THIRD, "text": TEXT})
        assert (sent.status_code, "the project of this answer is closed, or you are not in it" in sent.text) == (
            409,
            True,
        )
        assert TEXT in sent.text
    assert store.value("SELECT count(*) FROM demonstrations") == 1
    store.projects.add_members(1, people)
    assert store.demonstrations.next_prompt(ben.id) is not None
    assert store.demonstrations.next_sent_back(ana.id).demonstration.id == ID


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
    for each in people:
        store.personal_data.erase(each.id)
    assert [store.value(f"SELECT count(*) FROM {table}") for table in ("demonstrations", "reviews")] == [1, 1]
    assert [store.value(f"SELECT count(*) FROM {table}") for table in ("demonstration_texts", "review_reasons")] == [
        0,
        0,
    ]


@pytest.fixture
def clients(store, people):
    def client(account):
        made = TestClient(Gate(Starlette(routes=page.routes(store)), store), base_url="http://testserver")
        made.cookies.set(COOKIE, store.tokens.issue("session", account.id, 600))
        return made

    return [client(account) for account in people]


def test_the_pages_write_and_review_and_no_text_becomes_markup(store, clients, prompt):
    ana, ben = clients
    evil = "<img src=x onerror=alert(1)></textarea>"
    sent = ana.post(page.WRITE, data={"prompt": str(prompt.id), "id": ID, "text": evil}, follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (303, "/label/write?kept=1")
    shown = ben.get(page.REVIEW).text
    assert "<img" not in shown
    assert "&lt;img" in shown
    ben.post(page.REVIEW, data={"demonstration": ID, "id": OTHER, "verdict": "sent_back", "reason": evil})
    again = ana.get(page.WRITE).text
    assert "<img" not in again
    assert again.count("&lt;/textarea&gt;") == 2  # the reason, and the text to be written anew


def test_what_cannot_be_recorded_comes_back_with_its_text_and_id(store, clients, prompt):
    ana, _ = clients
    answer = ana.post(page.WRITE, data={"prompt": str(prompt.id), "id": ID, "text": "x" * 20_001})
    assert answer.status_code == 400
    assert "x" * 20_001 in answer.text
    assert f"value={ID}>" in answer.text
    assert store.value("SELECT count(*) FROM demonstrations") == 0


def test_a_text_that_is_changed_after_it_was_sent_comes_back_with_an_id_that_can_be_sent(store, clients, prompt):
    ana, _ = clients
    form = {"prompt": str(prompt.id), "id": ID, "text": "first"}
    ana.post(page.WRITE, data=form)
    refused = ana.post(page.WRITE, data=form | {"text": "second"})
    assert refused.status_code == 409
    assert "as another answer" in refused.text
    assert ">\nsecond</textarea>" in refused.text
    (new,) = re.findall(r"name=id value=(\w+)>", refused.text)
    sent = ana.post(page.WRITE, data=form | {"text": "second", "id": new}, follow_redirects=False)
    assert sent.status_code == 303
    assert [row["text"] for row in store.rows("SELECT text FROM demonstration_texts ORDER BY rowid")] == [
        "first",
        "second",
    ]


@pytest.mark.parametrize(
    ("id", "said"), [(THIRD, "already sent with another text"), ("d" * 16, "already rewritten this answer")]
)
def test_an_answer_written_anew_twice_by_back_or_from_another_tab_can_be_sent_as_a_new_one(
    store, people, clients, prompt, id, said
):
    ana, ben = people
    store.demonstrations.write(ID, prompt.id, ana.id, "thx")
    store.demonstrations.review(OTHER, ID, ben.id, "sent_back", "Too curt.")
    form = {"prompt": str(prompt.id), "id": THIRD, "supersedes": ID, "text": "second"}
    clients[0].post(page.WRITE, data=form)
    refused = clients[0].post(page.WRITE, data=form | {"id": id, "text": "third"})
    assert (refused.status_code, said in refused.text) == (409, True)
    hidden = dict(re.findall(r"name=(\w+) value=\"?(\w*)", refused.text))
    sent = clients[0].post(page.WRITE, data=hidden | {"text": "third"}, follow_redirects=False)
    assert sent.status_code == 303
    rows = store.rows(
        "SELECT text, supersedes FROM demonstration_texts AS t JOIN demonstrations ON demonstration_id = id ORDER BY t.rowid"
    )
    assert [tuple(row.values()) for row in rows] == [("thx", None), ("second", ID), ("third", None)]


LONG = {"prompt": "9" * 30, "id": ID, "text": "a"}


@pytest.mark.parametrize("form", [{}, {"prompt": "1"}, {"prompt": "x", "id": ID}, LONG, LONG | {"prompt": "99"}])
def test_a_form_that_is_not_the_pages_is_told_so(store, clients, prompt, form):
    assert clients[0].post(page.WRITE, data=form or {"a": ""}).status_code == 400
    assert clients[0].post(page.REVIEW, data=form | {"verdict": "accepted"}).status_code in (400, 409)


def test_a_home_without_prompts_says_what_fills_it(store, clients):
    assert "More prompts appear here" in clients[0].get(page.WRITE).text
    assert "You cannot review your own answers" in clients[0].get(page.REVIEW).text
    assert "자기 답변은 검토할 수 없습니다" in clients[0].get(page.REVIEW, headers={"accept-language": "ko"}).text


def test_a_refusal_is_in_the_readers_language(store, clients, prompt):
    ana, ben = clients
    ana.post(page.WRITE, data={"prompt": str(prompt.id), "id": ID, "text": TEXT})
    refused = ben.post(
        page.REVIEW, data={"demonstration": ID, "id": OTHER, "verdict": "sent_back"}, headers={"accept-language": "ko"}
    )
    assert "고칠 점을 1~2,000자로 적어 주세요." in refused.text
    assert "is your own" in ana.post(page.REVIEW, data={"demonstration": ID, "id": OTHER, "verdict": "accepted"}).text
