# SPDX-License-Identifier: Apache-2.0
"""Group commit: actions run in order, those that wait together share a commit, and no failed one is acknowledged."""

from __future__ import annotations

import threading

import pytest

from data.errors import BadInput, Busy
from data.store import Store
from labeling.queue.group_commit import MAX_BATCH, GroupCommit, WriteTurns


def add(store, name):
    return lambda: store.accounts.add(name, "labeler").name


def blocked(group_commit):
    """Keep the group commit busy with one action until the returned event is set; return the event."""
    begun, go = threading.Event(), threading.Event()
    group_commit.submit(lambda: begun.set() or go.wait())
    assert begun.wait(10)
    return go


def test_acts_that_wait_together_are_one_commit_in_their_order(store):
    group_commit, statements = GroupCommit(store), []
    group_commit.submit(lambda: store.db.conn.set_trace_callback(statements.append)).result(10)
    go = blocked(group_commit)
    futures = [group_commit.submit(add(store, f"labeler {number}")) for number in range(3)]
    go.set()
    assert [future.result(10) for future in futures] == ["labeler 0", "labeler 1", "labeler 2"]
    assert [account.name for account in store.accounts.all()] == ["labeler 0", "labeler 1", "labeler 2"]
    assert statements.count("COMMIT") == 3


def test_a_refused_act_takes_nothing_of_the_others_with_it(store):
    group_commit = GroupCommit(store)
    go = blocked(group_commit)
    first, second, third = (group_commit.submit(add(store, name)) for name in ("Mina", "mina", "Jun"))
    go.set()
    assert (first.result(10), third.result(10)) == ("Mina", "Jun")
    with pytest.raises(BadInput, match="there is an account 'mina' already"):
        second.result(10)
    assert [account.name for account in Store(store.home).accounts.all()] == ["Mina", "Jun"]


def test_a_commit_that_fails_fails_every_act_in_it_and_keeps_none(store, monkeypatch):
    monkeypatch.setattr("data.sqlite.connection.WAIT_SECONDS", 0.05)
    group_commit = GroupCommit(store)
    with store.transaction():
        futures = [group_commit.submit(add(store, name)) for name in ("Mina", "Jun")]
        for future in futures:
            with pytest.raises(Busy):
                future.result(10)
    assert store.accounts.all() == []
    assert group_commit.submit(add(store, "Mina")).result(10) == "Mina"


def test_an_act_whose_transaction_sqlite_gave_up_is_not_reported_as_done(store):
    group_commit = GroupCommit(store)
    go = blocked(group_commit)

    def lose_it():
        store.db.conn.execute("ROLLBACK")
        raise BadInput("the disk is full")

    first, second = group_commit.submit(add(store, "Mina")), group_commit.submit(lose_it)
    go.set()
    for future in (first, second):
        with pytest.raises(BadInput, match="disk is full"):
            future.result(10)
    assert store.accounts.all() == []


def test_more_acts_than_one_commit_takes_are_all_done(store):
    group_commit = GroupCommit(store)
    futures = [group_commit.submit(lambda number=number: number) for number in range(2 * MAX_BATCH + 1)]
    assert [future.result(10) for future in futures] == list(range(2 * MAX_BATCH + 1))


def test_an_act_that_ends_its_thread_fails_and_the_next_one_is_done(store, monkeypatch):
    monkeypatch.setattr("data.watched_loop.FIRST_PAUSE", 0.001)
    group_commit = GroupCommit(store)

    def leave():
        raise SystemExit(1)

    with pytest.raises(RuntimeError, match="ended with SystemExit"):
        group_commit.submit(leave).result(10)
    assert group_commit.submit(add(store, "Mina")).result(10) == "Mina"
    assert group_commit.loop.trouble() == ""


def test_a_commit_waits_for_the_turn_of_another_process(store, tmp_path):
    other, group_commit = WriteTurns(tmp_path / "turns"), GroupCommit(store, WriteTurns(tmp_path / "turns"))
    with other:
        future = group_commit.submit(add(store, "Mina"))
        with pytest.raises(TimeoutError):
            future.result(0.2)
        assert store.accounts.all() == []
    assert future.result(10) == "Mina"
    with other:  # the turn was given back
        assert [account.name for account in store.accounts.all()] == ["Mina"]
