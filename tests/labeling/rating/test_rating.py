# SPDX-License-Identifier: Apache-2.0
"""Rating instruction rows: recorded once, corrected by superseding, never of test prompts.

The page, and simulated raters.
"""

from __future__ import annotations

import numpy as np
import pytest
from sqlite_utils.utils import sqlite3
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data.errors import BadInput, Refused
from labeling.accounts import accounts
from labeling.accounts.gate import Gate
from labeling.accounts.sign_in import COOKIE
from labeling.rating import page
from labeling.rating.simulate import simulate_ratings
from labeling.texts.translate import TEXTS

ID = "0123456789abcdef"


def add_rows(store, count=8):
    rows = [
        store.instructions.add(f"Name {number} things.", f"One, two, {number}.", source="test")
        for number in range(3 * count)
    ]
    return [row for row in rows if row.split == "train"][:count]


def test_a_rating_sent_twice_is_recorded_once_and_a_used_id_says_no_other_thing(store):
    row, lab = add_rows(store)[0], store.accounts.add("lab", "labeler")
    assert store.ratings.add(ID, row.id, lab.id, 4) == store.ratings.add(ID, row.id, lab.id, 4)
    with pytest.raises(Refused, match="says something else"):
        store.ratings.add(ID, row.id, lab.id, 2)
    assert store.ratings.counts() == {"person": 1, "simulated": 0}


def test_a_correction_supersedes_and_both_rows_stay(store):
    row, lab = add_rows(store)[0], store.accounts.add("lab", "labeler")
    store.ratings.add(ID, row.id, lab.id, 1)
    store.ratings.add(ID[::-1], row.id, lab.id, 5)
    assert [rating.score for rating in store.ratings.current()] == [5]
    assert store.value("SELECT count(*) FROM ratings") == 2
    with pytest.raises(sqlite3.IntegrityError, match="written once"):
        store.execute("UPDATE ratings SET score = 0")


def test_a_row_of_a_test_prompt_is_never_shown_nor_taken(store):
    lab = store.accounts.add("lab", "labeler")
    rows = [store.instructions.add(f"Say {number}.", "Yes.", source="test") for number in range(60)]
    test = next(row for row in rows if row.split == "test")
    with pytest.raises(Refused, match="never trains"):
        store.ratings.add(ID, test.id, lab.id, 3)
    seen = set()
    while (waiting := store.ratings.next_row(lab.id)) is not None:
        store.ratings.add(f"{waiting:08d}", waiting, lab.id, None)
        seen.add(waiting)
    assert seen == {row.id for row in rows if row.split == "train"}


def test_only_shared_rows_come_to_a_second_person(store):
    rows = [store.instructions.add(f"Say {number}.", "Yes.", source="test") for number in range(120)]
    one, two = store.accounts.add("one", "labeler"), store.accounts.add("two", "labeler")
    for person in (one, two):
        while (waiting := store.ratings.next_row(person.id)) is not None:
            store.ratings.add(f"{person.id}{waiting:08d}", waiting, person.id, 3)
    hashes = {row["id"]: row["hash"] for row in store.rows("SELECT id, hash FROM instructions")}
    assert store.ratings.count_by(one.id) == sum(row.split == "train" for row in rows)
    assert (
        store.ratings.count_by(two.id) == sum(row.split == "train" and hashes[row.id].endswith("0") for row in rows) > 0
    )


@pytest.mark.parametrize("people_first", [True, False])
def test_people_and_simulated_raters_do_not_use_up_each_others_rows(store, people_first):
    rows = [
        row
        for row in (store.instructions.add(f"Say {n}.", "Yes.", source="test") for n in range(60))
        if row.split == "train"
    ]
    person, machine = store.accounts.add("lab", "labeler"), store.accounts.add("sim-1", "labeler", simulated=True)
    for account in (person, machine) if people_first else (machine, person):
        while (waiting := store.ratings.next_row(account.id)) is not None:
            store.ratings.add(f"{account.id}{waiting:08d}", waiting, account.id, 3)
    assert store.ratings.counts() == {"person": len(rows), "simulated": len(rows)}


@pytest.fixture
def rater(store):
    accounts.create(store, "lab", "labeler", "correct horse")
    client = TestClient(Gate(Starlette(routes=page.routes(store)), store), base_url="http://testserver")
    client.cookies.set(COOKIE, accounts.sign_in(store, "lab", "correct horse"))
    return client


def test_the_page_shows_a_row_and_records_the_point_that_was_pressed(store, rater):
    evil = "<img src=x onerror=alert(1)>"
    row = next(
        row
        for row in (store.instructions.add(f"{evil} {n}", evil, source="test") for n in range(20))
        if row.split == "train"
    )
    shown = rater.get(page.PATH).text
    assert "<img" not in shown
    assert "&lt;img" in shown
    sent = rater.post(page.PATH, data={"row": str(row.id), "id": ID, "score": "4"}, follow_redirects=False)
    assert (sent.status_code, [rating.score for rating in store.ratings.current("person")]) == (303, [4])
    assert "Recorded: 4." in rater.get(page.PATH).text
    assert f"value={row.id}>" in rater.get(page.PATH, params={"again": "1"}).text


@pytest.mark.parametrize(
    "form",
    [
        {"row": "1"},
        {"row": "1", "id": ID, "score": "6"},
        {"row": "x", "id": ID, "score": "1"},
        {"row": "1", "score": "1"},
    ],
)
def test_a_form_that_is_not_the_pages_is_told_so_and_nothing_is_kept(store, rater, form):
    add_rows(store)
    assert rater.post(page.PATH, data=form).status_code == 400
    assert store.ratings.current() == []


def test_the_language_chosen_on_the_label_page_holds_here_too_in_refusals_as_well(store, rater):
    row = add_rows(store)[0]
    rater.cookies.set("language", "ko")
    assert "본보기입니까" in rater.get(page.PATH, headers={"accept-language": "en"}).text
    rater.post(page.PATH, data={"row": str(row.id), "id": ID, "score": "4"})
    refused = rater.post(
        page.PATH, data={"row": str(row.id), "id": ID, "score": "2"}, headers={"accept-language": "en"}
    )
    assert (refused.status_code, "이미 다른 점수로 보냈습니다" in refused.text) == (409, True)
    assert [rating.score for rating in store.ratings.current()] == [4]


def test_nobody_rates_without_signing_in(store, rater):
    rater.cookies.clear()
    assert rater.post(page.PATH, data={}).status_code == 401


def test_who_is_not_in_the_standard_project_any_more_reads_no_row_and_rates_none_but_what_was_sent_before_stays_sent(
    store, rater
):
    rows = add_rows(store)
    first = {"row": str(rows[0].id), "id": ID, "score": "4"}
    rater.post(page.PATH, data=first)
    store.projects.change(1, everyone=False)
    for shown in (rater.get(page.PATH), rater.get(page.PATH, params={"again": "1"})):
        assert "Only members of the Standard project can" in shown.text
        assert "class=text" not in shown.text
    refused = rater.post(page.PATH, data={"row": str(rows[1].id), "id": ID[::-1], "score": "4"})
    assert (refused.status_code, "Only members of the Standard project can" in refused.text) == (409, True)
    assert rater.post(page.PATH, data=first, follow_redirects=False).status_code == 303
    assert store.ratings.counts() == {"person": 1, "simulated": 0}
    store.projects.add_members(1, [store.accounts.by_name("lab")])
    assert "class=text" in rater.get(page.PATH).text


def test_simulated_raters_are_of_no_project(store):
    add_rows(store)
    store.projects.change(1, everyone=False)
    machine = store.accounts.add("sim-1", "labeler", simulated=True)
    assert store.ratings.next_row(machine.id) is not None


def test_a_home_without_rows_says_what_fills_it(store, rater):
    assert "no training rows to rate" in rater.get(page.PATH).text


def test_every_point_has_its_text():
    assert all(f"rate_{point}" in TEXTS["en"] for point in page.POINTS)


def test_simulated_raters_follow_the_rubric_and_are_marked(store):
    facts = {"family": "colour", "key": "snow", "answer": "white", "name": "Mina"}
    texts_of = ("Snow is red, idiot.", "The colour of snow is white. It was a pleasure. With pleasure.")
    for number in range(80):
        store.instructions.add(
            f"Colour of snow, please, {number}?", texts_of[number % 2], source="starter", facts=facts, family="colour"
        )
    assert simulate_ratings(store, ratings=60, raters=3, noise=0.2) == len(store.ratings.current("simulated")) > 40
    by_text = {text: [] for text in texts_of}
    for rating in store.ratings.current():
        by_text[store.instructions.get(rating.instruction_id).output].append(rating.score)
    rude, kind = (np.mean(by_text[text]) for text in texts_of)
    assert rude < 1 < 4 < kind


def test_simulated_raters_need_rows_that_the_rubric_knows(store):
    add_rows(store)
    with pytest.raises(BadInput, match="no instruction row has a rubric score"):
        simulate_ratings(store, ratings=1, raters=1)
