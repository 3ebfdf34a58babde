# SPDX-License-Identifier: Apache-2.0
"""The session: items, answers and receipts."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from data.errors import Refused
from labeling.session import Answer, Session
from tests.support.labeling.answers import answer_to


def test_an_item_shows_prompt_and_both_answers_and_nothing_else(store, people, add_pairs):
    (pair,) = add_pairs(1)
    item = Session(store, "mina").next()
    assert item.prompt == "Write note 0."
    assert {item.left, item.right} == {"plain answer 0", "kind answer 0"}
    assert set(item.__slots__) == {"assignment", "prompt", "left", "right", "expires_at"}


@pytest.mark.parametrize(
    ("verdict", "side", "margin"),
    [
        ("left_much", "left", 3),
        ("left", "left", 2),
        ("left_slightly", "left", 1),
        ("tie", None, 0),
        ("right_slightly", "right", 1),
        ("right", "right", 2),
        ("right_much", "right", 3),
        ("both_bad", None, 0),
    ],
)
def test_a_verdict_is_kept_with_the_sides_and_the_winning_completion(store, people, add_pairs, verdict, side, margin):
    add_pairs(1)
    session = Session(store, people[0])
    item = session.next()
    receipt = session.submit(answer_to(item, verdict))
    remaining = store.comparisons.get(receipt.id)
    texts = {
        "left": store.completions.get(remaining.left_id).text,
        "right": store.completions.get(remaining.right_id).text,
    }
    assert texts == {"left": item.left, "right": item.right}
    assert remaining.winner_id == (getattr(remaining, f"{side}_id") if side else None)
    assert (remaining.verdict, remaining.margin, remaining.source, remaining.late, remaining.labeler_id) == (
        verdict,
        margin,
        "person",
        False,
        people[0].id,
    )


def test_nobody_meets_a_pair_twice(store, people, add_pairs):
    add_pairs(5)
    session = Session(store, people[0], overlap=2)
    seen = []
    while item := session.next():
        seen.append(item.prompt)
        session.submit(answer_to(item))
    assert len(seen) == len(set(seen)) == 5


def test_equal_texts_are_never_shown(store, people, add_pairs):
    add_pairs(3, text="the same")
    session = Session(store, people[0])
    assert session.next() is None
    assert session.why_empty().reason == "nothing_sampled"


def test_submitting_twice_is_submitting_once(store, people, add_pairs):
    add_pairs(2)
    session = Session(store, people[0])
    item = session.next()
    assert session.submit(answer_to(item)) == session.submit(answer_to(item))
    assert len(store.comparisons.events()) == 1


def test_many_clicks_at_once_record_one_answer(store, people, add_pairs):
    add_pairs(1)
    item = Session(store, people[0]).next()

    def click(number):
        try:
            return Session(store, people[0]).submit(answer_to(item, number=number % 2)).id
        except Refused:
            return None

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(click, range(16))) - {None}
    assert len(ids) == len(store.comparisons.events()) == 1


def test_many_labelers_at_once_get_different_pairs(store, add_pairs):
    add_pairs(24)
    names = [store.accounts.add(f"person {number}", "labeler").name for number in range(8)]

    def work(name):
        session = Session(store, name)
        return [session.submit(answer_to(session.next())).id for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, names))
    assert Counter(row.pair_id for row in store.comparisons.events()) == dict.fromkeys(range(1, 25), 1)


def test_a_second_opinion_on_the_same_item_is_refused(store, people, add_pairs):
    add_pairs(1)
    session = Session(store, people[0])
    item = session.next()
    session.submit(answer_to(item, "left"))
    with pytest.raises(Refused, match="already answered this item"):
        session.submit(answer_to(item, "right", number=1))
    with pytest.raises(Refused, match="already answered this item"):
        session.submit(answer_to(item, "right"))


def test_an_item_of_somebody_else_is_refused(store, people, add_pairs):
    add_pairs(1)
    item = Session(store, people[0]).next()
    with pytest.raises(Refused, match="not assigned to you"):
        Session(store, people[1]).submit(answer_to(item))
    with pytest.raises(Refused, match="not assigned to you"):
        Session(store, people[1]).skip(item.assignment, "no")
    assert store.comparisons.events() == []


def test_an_id_that_another_answer_has_is_refused(store, people, add_pairs):
    add_pairs(2)
    session = Session(store, people[0])
    first = session.next()
    session.submit(answer_to(first))
    with pytest.raises(Refused, match="already used"):
        session.submit(Answer(answer_to(first).id, session.next().assignment, "left"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("verdict", "meh", "'meh' is not a verdict"),
        ("verdict", "withdrawn", "'withdrawn' is not a verdict"),
        ("id", "x", "8 to 64"),
        ("rationale", "   ", "The reason is empty"),
        ("rationale", "x" * 2001, "2001 characters"),
    ],
)
def test_a_malformed_answer_is_refused_with_its_value(store, people, add_pairs, field, value, message):
    add_pairs(1)
    session = Session(store, people[0])
    fields = {"id": "answer-1", "assignment": session.next().assignment, "verdict": "left", field: value}
    with pytest.raises(Refused, match=message):
        session.submit(Answer(**fields))
    assert store.comparisons.events() == []


def test_a_rationale_is_kept_beside_the_event(store, people, add_pairs):
    add_pairs(1)
    session = Session(store, people[0])
    receipt = session.submit(answer_to(session.next(), rationale="kinder"))
    assert store.comparisons.rationale(receipt.id) == "kinder"


def test_progress_counts_what_holds_today_and_in_all(store, people, add_pairs):
    add_pairs(3)
    session = Session(store, people[0])
    for _ in range(3):
        session.submit(answer_to(session.next()))
    session.undo()
    assert (session.progress().today, session.progress().total) == (2, 2)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    later = Session(store, people[0], clock=lambda: tomorrow.isoformat(timespec="microseconds"))
    assert (later.progress().today, later.progress().total) == (0, 2)


def test_a_closed_or_unknown_account_cannot_answer(store, people):
    store.accounts.disable("Mina")
    with pytest.raises(Refused, match="'Mina' is disabled"):
        Session(store, people[0])
    with pytest.raises(Refused, match="no account named 'Nobody'"):
        Session(store, "Nobody")


def test_sides_are_drawn_evenly(store, people, add_pairs):
    add_pairs(200)
    session = Session(store, people[0], rng=random.Random(3))
    lefts = Counter()
    while item := session.next():
        lefts[item.left.split()[0]] += 1
        session.submit(answer_to(item))
    # binomial(200, 1/2) has a standard deviation of 7.1: four of them either way
    assert abs(lefts["plain"] - 100) < 29
