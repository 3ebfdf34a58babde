# SPDX-License-Identifier: Apache-2.0
"""The session: rankings."""

from __future__ import annotations

import random

import pytest

from data.errors import Refused
from data.tables.projects import STANDARD
from labeling.session import RankingAnswer, Session
from tests.support.labeling.answers import answer_to


def test_a_ranking_is_leased_in_an_order_of_its_own_and_only_where_it_can_be_shown(store, people, ranking):
    task = ranking(9)
    store.projects.change(STANDARD, overlap=2)
    assert Session(store, people[0]).next() is None
    items = [Session(store, person, rankings=True, rng=random.Random(person.id)).next() for person in people[:2]]
    assert items[0].answers != items[1].answers
    assert sorted(items[0].answers) == [f"text {i}" for i in range(9)]
    assert set(store.assignments.get(items[0].assignment).positions) == set(task.completion_ids)
    assert Session(store, people[2], rankings=True).next() is None
    assert Session(store, people[0], rankings=True).next().answers == items[0].answers


def test_a_ranking_is_one_event_and_marked_where_it_was_sent_as_shown(store, people, ranking):
    ranking(4)
    session = Session(store, people[0], rankings=True)
    item = session.next()
    answer = RankingAnswer("answer-1", item.assignment, (1, 2, 3, 4), rationale="as they stand")
    assert session.submit(answer) == session.submit(answer)
    (event,) = store.rankings.events()
    assert event.unchanged
    assert [event.places[id] for id in store.assignments.get(item.assignment).positions] == [1, 2, 3, 4]
    assert store.rankings.rationale("answer-1") == "as they stand"
    assert session.next() is None
    assert session.progress().total == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"places": (1, 2)}, "each of the 3 answers"),
        ({"places": (1, 2, 4)}, "from 1 to 3"),
        ({"places": (1, 2, 0)}, "from 1 to 3"),
        ({"places": (1, 2, True)}, "each of the 3"),
        ({"places": (1, 1, 2)}, "does not allow ties"),
        ({"places": (1, 2, 3), "all_bad": True}, "each of the 3"),
        ({"places": ()}, "each of the 3"),
    ],
)
def test_a_ranking_that_does_not_fit_is_refused(store, people, ranking, form, answer, message):
    ranking(3)
    form(tie=False)
    session = Session(store, people[0], rankings=True)
    item = session.next()
    with pytest.raises(Refused, match=message):
        session.submit(RankingAnswer("answer-1", item.assignment, **answer))
    assert store.rankings.events() == []


def test_a_pair_is_not_answered_by_places_nor_a_ranking_by_a_verdict(store, people, ranking, add_pairs):
    add_pairs(1)
    ranking(3)
    session = Session(store, people[0], rankings=True)
    pair = session.next()
    with pytest.raises(Refused, match="Send a verdict"):
        session.submit(RankingAnswer("answer-1", pair.assignment, (1, 2, 3)))
    session.submit(answer_to(pair))
    with pytest.raises(Refused, match="Send places"):
        session.submit(answer_to(session.next()))


def test_a_ranking_is_undone_and_corrected_like_a_comparison(store, people, ranking, add_pairs):
    ranking(3)
    session = Session(store, people[0], rankings=True)
    item = session.next()
    session.submit(RankingAnswer("answer-1", item.assignment, (3, 2, 1)))
    assert session.undo().assignment == item.assignment
    assert session.draft(item.assignment)["places"] == [3, 2, 1]
    session.submit(RankingAnswer("answer-2", item.assignment, (1, 1, 2)))
    session.submit(RankingAnswer("answer-3", item.assignment, (2, 1, 1), supersedes="answer-2"))
    assert session.past_answer(item.assignment).places == (2, 1, 1)
    assert [event.verdict for event in store.rankings.events()] == ["ranked", "withdrawn", "ranked", "ranked"]
    assert store.value("SELECT judged FROM ranking_tasks") == 1
