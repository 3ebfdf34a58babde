# SPDX-License-Identifier: Apache-2.0
"""The store: one connection per thread, BEGIN IMMEDIATE, and migrations under a lock."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from sqlite_utils.utils import sqlite3

from data import Store
from data.sqlite.migrations import NAMES
from tests.support.data.python_process import child

WRITER = """
import sys
from data import Store
store = Store(sys.argv[1])
pair, labeler = store.pairs.get(1), store.accounts.by_name("Mina")
for number in range(100_000):
    store.comparisons.record(id=f"label{number}", pair_id=pair.id, labeler_id=labeler.id, left_id=pair.first_id,
                             right_id=pair.second_id, verdict="left", source="import")
    print(f"label{number}", flush=True)
"""


OPENER = """
import sys, time
from pathlib import Path
from data import Store
print("ready", flush=True)
sys.stdin.readline()
store = Store(sys.argv[1])
store.prompts.add(sys.argv[2], source="test")
"""


def in_threads(count: int, work) -> None:
    """Run `work` in several threads at once and raise what it raised."""
    errors = []

    def guarded() -> None:
        try:
            work()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_a_home_can_be_named_by_its_folder_or_by_its_file(home):
    by_folder = Store(home)
    by_file = Store(home / "feedback.db")
    assert by_folder.home == by_file.home == home
    assert (home / "feedback.db").exists()


def test_every_thread_has_its_own_connection_with_the_settings_that_keep_labels(store):
    seen = []

    def look() -> None:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers")
        seen.append((id(store.db.conn), *(store.value(f"PRAGMA {name}") for name in pragmas)))

    look()
    in_threads(1, look)
    assert seen[0][0] != seen[1][0]
    assert seen[0][1:] == seen[1][1:] == ("wal", 2, 1, 1)  # synchronous 2 is FULL


def test_a_label_that_was_acknowledged_survives_kill_9(store, home, add_pairs):
    add_pairs(1)
    store.accounts.add("Mina", "labeler")
    store.close()
    writer = child(WRITER, home)
    acknowledged = [writer.stdout.readline().strip() for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged += writer.stdout.read().split()
    writer.wait()
    reopened = Store(home)
    remaining = {event.id for event in reopened.comparisons.events()}
    assert len(acknowledged) >= 50
    assert set(acknowledged) <= remaining
    assert reopened.value("PRAGMA integrity_check") == "ok"


def test_processes_that_open_a_fresh_home_at_once_migrate_it_once(home):
    openers = [child(OPENER, home, f"prompt {number}") for number in range(3)]
    for opener in openers:
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        opener.stdin.write("go\n")
        opener.stdin.flush()
    assert [opener.communicate()[1] for opener in openers] == [""] * 3
    store = Store(home)
    assert store.prompts.count() == 3
    applied = [row["name"] for row in store.rows("SELECT name FROM _sqlite_migrations ORDER BY name")]
    assert applied == sorted(NAMES)


def test_threads_that_read_and_then_write_lose_nothing(store):
    run = store.runs.enqueue("sample", {}, "test")

    def count() -> None:
        for _ in range(25):
            with store.transaction():
                done = store.runs.get(run.id).done
                store.runs.progress(run.id, done + 1, 100)

    in_threads(4, count)
    assert store.runs.get(run.id).done == 100


def test_a_failed_transaction_leaves_nothing_and_a_failed_inner_one_only_its_own_part_out(store):
    def write_and_fail() -> None:
        with store.transaction():
            store.prompts.add("gone", source="test")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with store.transaction():
        store.prompts.add("kept", source="test")
        with pytest.raises(ZeroDivisionError):
            write_and_fail()
    assert [prompt.text for prompt in store.prompts.all()] == ["kept"]


def test_a_typo_never_creates_a_table(store):
    before = store.db.table_names()
    for write in (
        lambda: store.db["prompt"].insert({"text": "lost"}),
        lambda: store.db.table("comparison").insert({"id": "lost"}),
        lambda: store.insert("promts", {"text": "lost"}),
        lambda: store.metrics._db["metric"].insert({"step": 1}),
    ):
        with pytest.raises((ValueError, sqlite3.OperationalError), match="table"):
            write()
    assert store.db.table_names() == before


def test_foreign_keys_hold(store):
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        store.evaluations.add(7, None, "rubric", {})


def test_every_table_is_strict(store):
    ours = [table for table in store.db.tables if table.name != "_sqlite_migrations"]
    assert len(ours) > 15
    assert [table.name for table in ours if not table.strict] == []
    with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT value in INTEGER column"):
        store.db["runs"].insert(
            {"kind": "ppo", "settings": "{}", "created_by": "a", "created_at": "b", "total": "many"}
        )


def test_a_closed_store_opens_again_when_asked(store):
    store.prompts.add("kept", source="test")
    store.close()
    assert store.prompts.count() == 1
