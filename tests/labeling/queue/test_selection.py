# SPDX-License-Identifier: Apache-2.0
"""The queue: who gets which pair, in what order, and why there may be none."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from labeling.session import Answer, Empty, Session


@pytest.fixture
def people(store):
    return [store.accounts.add(name, "labeler") for name in ("Mina", "Jun", "Ada")]


def judge_all(session, verdict="left"):
    """Answer until the queue is empty; the prompts met, in order."""
    met = []
    while item := session.next():
        met.append(item.prompt)
        session.submit(Answer(f"{session.labeler.name}-{item.assignment}", item.assignment, verdict))
    return met


def test_higher_priority_comes_first_and_the_order_within_is_random(store, people, add_pairs):
    add_pairs(20)
    urgent = {f"Write note {number}." for number in range(20, 25)}
    add_pairs(5, priority=10)
    met = judge_all(Session(store, people[0], rng=random.Random(1)))
    assert set(met[:5]) == urgent
    assert len(set(met)) == 25
    assert met[5:] != sorted(met[5:], key=lambda text: int(text.split()[2][:-1]))


def test_a_pair_is_judged_once_by_default(store, people, add_pairs):
    add_pairs(7)
    sizes = [len(judge_all(Session(store, person))) for person in people]
    assert sizes == [7, 0, 0]


def test_overlap_two_asks_two_labelers(store, people, add_pairs):
    add_pairs(7)
    sizes = [len(judge_all(Session(store, person, overlap=2))) for person in people]
    assert sizes == [7, 7, 0]


def test_a_fractional_overlap_asks_a_second_labeler_for_that_share(store, people, add_pairs):
    add_pairs(1000)
    with store.transaction():
        sizes = [len(judge_all(Session(store, person, overlap=1.1, rng=random.Random(0)))) for person in people]
    # the ids 1..1000 meet each residue of 1000 once, so exactly 100 of them are among the 100 chosen residues
    assert sizes == [1000, 100, 0]
    assert Counter(Counter(row.pair_id for row in store.comparisons.events()).values()) == {1: 900, 2: 100}


def test_simulated_answers_do_not_use_up_a_persons_queue(store, people, add_pairs):
    add_pairs(4)
    simulated = store.accounts.add("sim-1", "labeler", simulated=True)
    assert len(judge_all(Session(store, simulated))) == 4
    assert len(judge_all(Session(store, people[0]))) == 4
    assert Counter(row.source for row in store.comparisons.current()) == {"simulated": 4, "person": 4}


def test_imported_pairs_are_not_shown(store, people, add_pairs):
    add_pairs(2, purpose="import")
    assert Session(store, people[0]).next() is None


def test_an_empty_queue_says_that_nothing_was_sampled(store, people):
    assert Session(store, people[0]).why_empty() == Empty("nothing_sampled")


def test_an_empty_queue_says_that_all_is_done(store, people, add_pairs):
    add_pairs(2)
    judge_all(Session(store, people[0]))
    assert Session(store, people[1]).why_empty() == Empty("all_done")


def test_an_empty_queue_says_how_many_others_hold_and_for_how_long(store, people, add_pairs):
    add_pairs(2)
    for person in people[:2]:
        Session(store, person).next()
    session = Session(store, people[2])
    assert session.next() is None
    assert session.why_empty() == Empty("others_hold", pairs=2, minutes=10)


def test_waiting_lists_what_this_labeler_could_get(store, people, add_pairs):
    add_pairs(5)
    session = Session(store, people[0])
    session.next()
    assert len(session.queue.waiting_pairs()) == 4
    assert Session(store, people[1]).queue.waiting_pairs() == session.queue.waiting_pairs()
