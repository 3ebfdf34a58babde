# SPDX-License-Identifier: Apache-2.0
"""The pages on which people write and review answers."""

from __future__ import annotations

import re

import pytest

from labeling.writing import page
from tests.support.labeling.written_answers import ID, OTHER, TEXT, THIRD


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


def test_a_refused_form_shows_no_prompt_that_the_page_does_not_offer(store, people, clients, prompt):
    other = next(p for p in (store.prompts.add(f"Secret {n}.", source="test") for n in range(90)) if p.split == "test")
    form = {"prompt": str(other.id), "id": "short", "text": TEXT}
    assert other.text not in clients[0].post(page.WRITE, data=form).text
    form["prompt"] = str(prompt.id)
    assert prompt.text in clients[0].post(page.WRITE, data=form).text
    store.projects.change(1, everyone=False)
    store.projects.add_members(1, people[1:])
    assert prompt.text not in clients[0].post(page.WRITE, data=form).text
    assert prompt.text in clients[1].post(page.WRITE, data=form).text


def test_a_refused_form_of_an_answer_that_was_sent_back_keeps_its_prompt(store, people, clients, prompt):
    ana, ben = people
    store.demonstrations.write(ID, prompt.id, ana.id, TEXT)
    store.demonstrations.review(OTHER, ID, ben.id, "sent_back", "Too curt.")
    form = {"prompt": str(prompt.id), "id": "short", "text": TEXT, "supersedes": ID}
    assert prompt.text in clients[0].post(page.WRITE, data=form).text
