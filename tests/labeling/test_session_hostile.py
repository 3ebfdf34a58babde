# SPDX-License-Identifier: Apache-2.0
"""What a session does with hostile or broken input: one line, and nothing lost, doubled or half-written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlite_utils.utils import sqlite3

from data.errors import BadInput, Refused
from data.tables.forms import Form
from data.tables.projects import STANDARD
from labeling.session import Answer, RankingAnswer, Session


@pytest.fixture
def session(store, add_pairs):
    add_pairs(2)
    store.projects.change(STANDARD, form=Form(edit=True, aspects=("honest",)))
    return Session(store, store.accounts.add("Mina", "labeler"))


def everything(store):
    """What is written of labels."""
    tables = (
        "comparisons",
        "rationales",
        "comparison_aspects",
        "edits",
        "completions",
        "skips",
        "rankings",
        "queue",
        "tallies",
    )
    return {table: store.rows(f"SELECT * FROM {table}") for table in tables}


def answer(item, **more):
    return Answer(
        **({"id": "answer-1", "assignment": item.assignment, "verdict": "left", "aspects": {"honest": "tie"}} | more)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"rationale": "x" * 1_000_000},
        {"rationale": "a bell \x07"},
        {"rationale": "nothing \x00"},
        {"rationale": "half \ud800"},
        {"rationale": "\u200b \n"[1:]},
        {"edit": "half \udfff"},
        {"edit": "x" * 1_000_000},
        {"edit": "escape \x1b[31m"},
        {"verdict": "left_very_much" * 10_000},
        {"verdict": "LEFT"},
        {"id": "x" * 1_000_000},
        {"id": "'; DROP TABLE comparisons; --"},
        {"id": "half-half-\ud800"},
        {"aspects": {"half \ud800": "tie"}},
        {"aspects": {"honest": "\ud800"}},
        {"aspects": "honest"},
        {"aspects": {"honest": ["left"]}},
        {"assignment": "forged"},
        {"assignment": "half \ud800"},
        {"supersedes": "another"},
        {"supersedes": "half \ud800"},
        {"edited": "\ud800", "edit": "fine"},
    ],
    ids=str,
)
def test_what_cannot_be_kept_is_refused_in_one_short_line(store, session, wrong):
    item = session.next()
    before = everything(store)
    with pytest.raises(Refused) as caught:
        session.submit(answer(item, **wrong))
    line = str(caught.value)
    assert len(line) < 300
    assert "\n" not in line
    line.encode()
    assert everything(store) == before
    assert session.submit(answer(item)).id == "answer-1"


def test_marks_that_turn_text_around_are_kept_as_they_are(store, session):
    text = "\u202esdrawkcab\u202c \u200f\u2067right to left\u2069"
    receipt = session.submit(answer(session.next(), rationale=text, edit=text))
    assert store.comparisons.rationale(receipt.id) == text
    assert store.comparisons.edit(receipt.id).text == text


@pytest.mark.parametrize("kind", ["rationale", "edit"])
def test_lines_tabs_and_any_script_are_kept_as_they_are(store, session, kind):
    text = "line\r\nline\ttab 한국어 العربية 👩‍👩‍👧"
    session.submit(answer(session.next(), **{kind: text}))
    assert session.history()[0].__getattribute__(kind) == text


def test_a_reason_for_skipping_is_held_to_the_same(store, session):
    item = session.next()
    for reason in ("x" * 1_000_000, "\x07", "\ud800", " "):
        with pytest.raises(Refused):
            session.skip(item.assignment, reason)
    assert session.next().assignment == item.assignment
    assert store.rows("SELECT * FROM skips") == []


def test_a_draft_that_no_file_can_hold_is_refused_and_the_one_before_stays(session):
    item = session.next()
    session.save_draft(item.assignment, rationale="begun")
    for wrong in (
        {"rationale": "\ud800"},
        {"rationale": "x" * 1_000_000},
        {"rationale": float("nan")},
        {"aspects": {"\ud800": "left"}},
        {"aspects": {"a": float("nan")}},
        {"places": [float("inf"), 1]},
        {"places": "1"},
        {"mood": "good"},
    ):
        with pytest.raises(BadInput):
            session.save_draft(item.assignment, **wrong)
    assert session.draft(item.assignment) == {"rationale": "begun"}


def test_places_that_are_no_numbers_are_refused(store, session):
    item = session.next()
    for places in (("1", "2"), (1.0, 2.0), (None,), (10**30, 1)):
        with pytest.raises(Refused):
            session.submit(RankingAnswer("answer-1", item.assignment, places))


def test_a_full_disk_refuses_in_words_and_keeps_what_was_acknowledged(store, session):
    first = session.submit(answer(session.next()))
    item = session.next()
    before = everything(store)
    pages = store.value("PRAGMA page_count")
    store.db.conn.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(BadInput, match="full") as caught:
        session.submit(answer(item, id="answer-2", rationale="x" * 2000, edit="x" * 19_000))
    assert caught.value.remedy
    assert everything(store) == before
    store.db.conn.execute("PRAGMA max_page_count=1000000")
    assert session.submit(answer(item, id="answer-2")).id == "answer-2"
    assert [event.id for event in store.comparisons.events()] == [first.id, "answer-2"]


def test_a_store_that_another_program_holds_refuses_in_words_and_the_same_answer_may_be_sent_again(store, session):
    item = session.next()
    other = sqlite3.connect(str(store.path), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    store.db.conn.execute("PRAGMA busy_timeout=50")
    with pytest.raises(BadInput, match="locked"):
        session.submit(answer(item))
    other.execute("ROLLBACK")
    other.close()
    receipt = session.submit(answer(item))
    assert session.submit(answer(item)) == receipt
    assert len(store.comparisons.events()) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"rationale": "colder"},
        {"rationale": None},
        {"edit": "another text"},
        {"edit": None},
        {"edited": "right"},
        {"aspects": {"honest": "left"}},
        {"supersedes": "answer-0"},
    ],
    ids=str,
)
def test_an_answer_sent_again_with_other_content_is_refused_and_the_same_one_gets_its_receipt(store, session, other):
    given = answer(session.next(), rationale="warmer ", edit=" better text\n")
    receipt = session.submit(given)
    before = everything(store)
    with pytest.raises(Refused, match="already used"):
        session.submit(replace(given, **other))
    assert session.submit(given) == receipt
    assert everything(store) == before


def test_a_rationale_that_comes_only_with_the_second_sending_is_refused(session):
    given = answer(session.next())
    session.submit(given)
    with pytest.raises(Refused, match="already used"):
        session.submit(replace(given, rationale="warmer"))


def test_a_ranking_sent_again_in_another_order_is_refused_and_a_gap_makes_no_other_order(store):
    prompt = store.prompts.add("Name a bakery.", source="test")
    ids = store.completions.add_many(
        {"prompt_id": prompt.id, "model_name": str(n), "text": f"name {n}", "number": 0} for n in range(3)
    )
    store.rankings.add_task(prompt.id, ids)
    session = Session(store, store.accounts.add("Mina", "labeler"), rankings=True)
    given = RankingAnswer("ranking-1", session.next().assignment, (3, 1, 1), rationale="shorter")
    receipt = session.submit(given)
    for other in ({"places": (1, 3, 3)}, {"rationale": None}):
        with pytest.raises(Refused, match="already used"):
            session.submit(replace(given, **other))
    assert session.submit(given) == session.submit(replace(given, places=(2, 1, 1))) == receipt


def test_answers_sent_again_after_an_undo_and_after_an_erasure_get_their_receipts(store, session):
    first = answer(session.next(), rationale="warmer", edit="better text")
    receipts = [session.submit(first)]
    again = answer(session.undo(), id="answer-2", rationale="warmer still")
    receipts.append(session.submit(again))
    assert [session.submit(first), session.submit(again)] == receipts
    store.personal_data.erase(session.labeler.id)
    assert [session.submit(first), session.submit(again)] == receipts
    assert store.rows("SELECT * FROM rationales") == []
