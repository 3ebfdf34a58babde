# SPDX-License-Identifier: Apache-2.0
"""The session: undo, corrections and skips."""

from __future__ import annotations

import pytest

from data.errors import Refused
from labeling.session import Session
from tests.support.labeling.answers import answer_to


def test_undo_withdraws_the_last_answer_and_hands_the_item_back(store, people, add_pairs):
    add_pairs(2)
    session = Session(store, people[0])
    item = session.next()
    first = session.submit(answer_to(item))
    session.next()
    assert session.undo().assignment == item.assignment
    assert store.comparisons.current() == []
    second = session.submit(answer_to(item, "right", number=1))
    events = store.comparisons.events()
    assert [event.verdict for event in events] == ["left", "withdrawn", "right"]
    assert [event.supersedes for event in events] == [None, first.id, events[1].id]
    assert [event.id for event in store.comparisons.current()] == [second.id]


def test_undoing_twice_gives_the_same_item_and_withdraws_one_answer(store, people, add_pairs):
    add_pairs(2)
    session = Session(store, people[0])
    for _ in range(2):
        session.submit(answer_to(session.next()))
    assert session.undo().assignment == session.undo().assignment
    assert len(store.comparisons.current()) == 1


def test_two_clicks_on_an_undone_item_record_one_answer(store, people, add_pairs):
    add_pairs(1)
    session = Session(store, people[0])
    item = session.next()
    session.submit(answer_to(item))
    session.undo()
    session.submit(answer_to(item, "right", number=1))
    with pytest.raises(Refused, match="already answered this item"):
        session.submit(answer_to(item, "tie", number=2))
    assert [row.verdict for row in store.comparisons.current()] == ["right"]


def test_undo_leaves_one_open_lease_and_the_other_item_comes_back(store, people, add_pairs):
    add_pairs(2)
    session = Session(store, people[0])
    first = session.next()
    session.submit(answer_to(first))
    second = session.next()
    session.undo()
    assert store.value("SELECT count(*) FROM assignments WHERE expires_at > ? AND NOT done", [session.clock()]) == 1
    session.submit(answer_to(first, "tie", number=1))
    assert session.next().assignment == second.assignment


def test_undo_with_nothing_said_is_refused(store, people):
    with pytest.raises(Refused, match="nothing to undo"):
        Session(store, people[0]).undo()


def test_ones_current_answer_is_replaced_by_naming_it(store, people, add_pairs):
    add_pairs(1)
    session = Session(store, people[0])
    item = session.next()
    first = session.submit(answer_to(item))
    session.submit(answer_to(item, "right", number=1, supersedes=first.id))
    with pytest.raises(Refused, match="latest verdict"):
        session.submit(answer_to(item, "tie", number=2, supersedes=first.id))
    assert [row.verdict for row in store.comparisons.current()] == ["right"]


def test_superseding_an_answer_to_another_item_is_refused(store, people, add_pairs):
    add_pairs(2)
    session = Session(store, people[0])
    first = session.submit(answer_to(session.next()))
    with pytest.raises(Refused, match="latest verdict"):
        session.submit(answer_to(session.next(), supersedes=first.id))


def test_a_skipped_pair_goes_to_another_and_never_back(store, people, add_pairs):
    add_pairs(1)
    session = Session(store, people[0])
    item = session.next()
    session.skip(item.assignment, "cannot tell")
    session.skip(item.assignment, "cannot tell")
    assert session.next() is None
    assert Session(store, people[1]).next().prompt == item.prompt
    with pytest.raises(Refused, match="already skipped this item"):
        session.submit(answer_to(item))


def test_a_skip_needs_a_reason_and_an_open_item(store, people, add_pairs):
    add_pairs(1)
    session = Session(store, people[0])
    item = session.next()
    with pytest.raises(Refused, match="The reason is empty"):
        session.skip(item.assignment, " ")
    session.submit(answer_to(item))
    with pytest.raises(Refused, match="already answered this item"):
        session.skip(item.assignment, "too late")


def test_an_undone_item_can_be_skipped(store, people, add_pairs):
    add_pairs(1)
    session = Session(store, people[0])
    session.submit(answer_to(session.next()))
    session.skip(session.undo().assignment, "cannot tell")
    assert session.next() is None
    assert Session(store, people[1]).next()
