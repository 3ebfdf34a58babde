# SPDX-License-Identifier: Apache-2.0
"""The session: leases, heartbeats, and clocks that jump."""

from __future__ import annotations

import pytest

from data.errors import Refused
from data.tables.projects import STANDARD
from labeling.queue.leases import LEASE_SECONDS
from labeling.session import Session
from tests.support.labeling.answers import answer_to


def test_the_open_item_is_shown_again_with_its_lease_renewed(store, people, add_pairs, clock):
    add_pairs(3)
    session = Session(store, people[0], clock=clock)
    first = session.next()
    clock.move(60)
    again = Session(store, people[0], clock=clock).next()
    assert (again.assignment, again.left, again.right) == (first.assignment, first.left, first.right)
    assert again.expires_at > first.expires_at
    assert store.value("SELECT count(*) FROM assignments") == 1


def test_a_leased_pair_is_not_given_to_another(store, people, add_pairs):
    add_pairs(1)
    assert Session(store, people[0]).next()
    assert Session(store, people[1]).next() is None


def test_an_expired_lease_goes_to_another_and_the_late_answer_is_kept_and_marked(store, people, add_pairs, clock):
    add_pairs(1)
    slow, quick = (Session(store, person, clock=clock) for person in people[:2])
    item = slow.next()
    clock.move(LEASE_SECONDS + 1)
    other = quick.next()
    assert other.prompt == item.prompt
    assert not quick.submit(answer_to(other)).late
    assert slow.submit(answer_to(item, "right")).late
    assert len(store.comparisons.current()) == 2


def test_a_labeler_who_let_a_lease_run_out_gets_the_pair_again_while_it_is_needed(store, people, add_pairs, clock):
    add_pairs(1)
    session = Session(store, people[0], clock=clock)
    item = session.next()
    clock.move(LEASE_SECONDS + 1)
    assert session.next().assignment == item.assignment


def test_a_heartbeat_renews_the_hold_without_another_showing(store, people, add_pairs, clock):
    add_pairs(1)
    session = Session(store, people[0], clock=clock)
    item = session.next()
    clock.move(LEASE_SECONDS - 10)
    assert session.heartbeat(item.assignment) > item.expires_at
    clock.move(LEASE_SECONDS - 10)
    assert Session(store, people[1], clock=clock).next() is None
    receipt = session.submit(answer_to(item))
    assert not receipt.late
    assert store.comparisons.get(receipt.id).seconds == 2 * (LEASE_SECONDS - 10)


def test_a_heartbeat_for_what_is_not_held_is_refused(store, people, add_pairs, clock):
    add_pairs(1)
    mina, jun = (Session(store, person, clock=clock) for person in people[:2])
    item = mina.next()
    for forged in (item.assignment, "nothing", ""):
        with pytest.raises(Refused, match="not assigned to you"):
            jun.heartbeat(forged)
    clock.move(LEASE_SECONDS + 1)
    other = jun.next()
    with pytest.raises(Refused, match="other labelers have it now"):
        mina.heartbeat(item.assignment)
    jun.submit(answer_to(other))
    with pytest.raises(Refused, match="already answered this item"):
        jun.heartbeat(other.assignment)


def test_a_hold_that_ended_is_taken_up_again_while_nobody_else_has_it(store, people, add_pairs, clock):
    add_pairs(1)
    session = Session(store, people[0], clock=clock)
    item = session.next()
    clock.move(LEASE_SECONDS + 1)
    session.heartbeat(item.assignment)
    assert Session(store, people[1], clock=clock).next() is None
    assert not session.submit(answer_to(item)).late


def test_only_a_late_answer_overshoots_the_overlap(store, people, add_pairs, clock):
    add_pairs(1)
    store.projects.change(STANDARD, overlap=2)
    sessions = [Session(store, person, clock=clock) for person in people]
    slow = sessions[0].next()
    clock.move(LEASE_SECONDS + 1)
    for session in sessions[1:]:
        session.submit(answer_to(session.next()))
    assert sessions[0].next() is None
    assert sessions[0].submit(answer_to(slow)).late
    assert [event.late for event in store.comparisons.events()] == [False, False, True]


def test_a_clock_that_jumps_back_frees_what_it_would_hold_for_a_day(store, people, add_pairs, clock):
    add_pairs(1)
    clock.move(24 * 3600)
    item = Session(store, people[0], clock=clock).next()
    clock.move(-24 * 3600)
    other = Session(store, people[1], clock=clock).next()
    assert other.prompt == item.prompt
    receipt = Session(store, people[0], clock=clock).submit(answer_to(item))
    assert receipt.late
    assert store.comparisons.get(receipt.id).seconds is None


def test_a_clock_that_jumps_forward_ends_holds_and_loses_nothing(store, people, add_pairs, clock):
    add_pairs(1)
    session = Session(store, people[0], clock=clock)
    item = session.next()
    clock.move(10 * 365 * 24 * 3600)
    assert session.submit(answer_to(item)).late
    clock.move(-10 * 365 * 24 * 3600)
    with pytest.raises(Refused, match="already answered this item"):
        session.submit(answer_to(item, number=1))
    assert len(store.comparisons.events()) == 1
