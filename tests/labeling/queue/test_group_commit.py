"""The desk: acts in order, one commit for those that wait together, and nothing acknowledged that is not kept."""

from __future__ import annotations

import threading

import pytest

from data.errors import BadInput, Busy
from data.store import Store
from labeling.queue.group_commit import MOST, Desk


def add(store, name):
    return lambda: store.accounts.add(name, "labeler").name


def blocked(desk):
    """The desk at work on an act of its own until the event that is returned is set."""
    begun, go = threading.Event(), threading.Event()
    desk.hand_in(lambda: begun.set() or go.wait())
    assert begun.wait(10)
    return go


def test_acts_that_wait_together_are_one_commit_in_their_order(store):
    desk, said = Desk(store), []
    desk.hand_in(lambda: store.db.conn.set_trace_callback(said.append)).result(10)
    go = blocked(desk)
    futures = [desk.hand_in(add(store, f"labeler {number}")) for number in range(3)]
    go.set()
    assert [future.result(10) for future in futures] == ["labeler 0", "labeler 1", "labeler 2"]
    assert [account.name for account in store.accounts.all()] == ["labeler 0", "labeler 1", "labeler 2"]
    assert said.count("COMMIT") == 3


def test_a_refused_act_takes_nothing_of_the_others_with_it(store):
    desk = Desk(store)
    go = blocked(desk)
    first, second, third = (desk.hand_in(add(store, name)) for name in ("Mina", "mina", "Jun"))
    go.set()
    assert (first.result(10), third.result(10)) == ("Mina", "Jun")
    with pytest.raises(BadInput, match="there is an account 'mina' already"):
        second.result(10)
    assert [account.name for account in Store(store.home).accounts.all()] == ["Mina", "Jun"]


def test_a_commit_that_fails_fails_every_act_in_it_and_keeps_none(store, monkeypatch):
    monkeypatch.setattr("data.sqlite.connection.WAIT_SECONDS", 0.05)
    desk = Desk(store)
    with store.transaction():
        futures = [desk.hand_in(add(store, name)) for name in ("Mina", "Jun")]
        for future in futures:
            with pytest.raises(Busy):
                future.result(10)
    assert store.accounts.all() == []
    assert desk.hand_in(add(store, "Mina")).result(10) == "Mina"


def test_an_act_whose_transaction_sqlite_gave_up_is_not_reported_as_done(store):
    desk = Desk(store)
    go = blocked(desk)

    def lose_it():
        store.db.conn.execute("ROLLBACK")
        raise BadInput("the disk is full")

    first, second = desk.hand_in(add(store, "Mina")), desk.hand_in(lose_it)
    go.set()
    for future in (first, second):
        with pytest.raises(BadInput, match="disk is full"):
            future.result(10)
    assert store.accounts.all() == []


def test_more_acts_than_one_commit_takes_are_all_done(store):
    desk = Desk(store)
    futures = [desk.hand_in(lambda number=number: number) for number in range(2 * MOST + 1)]
    assert [future.result(10) for future in futures] == list(range(2 * MOST + 1))
