# SPDX-License-Identifier: Apache-2.0
"""Notes stand beside runs, policies and reward models; one thing of a kind is the baseline."""

from __future__ import annotations

import pytest
from sqlite_utils.utils import sqlite3

from data.records import Note


def test_a_thing_has_the_empty_note_until_somebody_writes_one(store):
    assert store.notes.get("run", 1) == Note("", "", (), archived=False, baseline=False)
    written = Note("long run", "lr too high?", ("lr", "keep"), archived=True)
    store.notes.set("run", 1, written)
    assert store.notes.all("run") == {1: written}
    assert store.notes.all("p") == {}


def test_the_note_of_one_thing_is_read_without_the_others(store):
    store.notes.set("run", 1, Note("mine"))
    store.execute("PRAGMA ignore_check_constraints = 1")
    store.execute("INSERT INTO notes (kind, id, tags) VALUES ('run', 2, 'no JSON')")  # fails if it is read
    assert store.notes.get("run", 1) == Note("mine")
    with pytest.raises(ValueError, match="Expecting value"):
        store.notes.all("run")


def test_a_new_baseline_takes_the_mark_from_the_old_one_of_its_kind(store):
    for kind, id in (("run", 1), ("p", 1), ("run", 2)):
        store.notes.set(kind, id, Note(baseline=True))
    assert {id: note.baseline for id, note in store.notes.all("run").items()} == {1: False, 2: True}
    assert store.notes.get("p", 1).baseline


@pytest.mark.parametrize("row", ["('s', 1, 0)", "('run', 1, 2)"])
def test_the_schema_refuses_other_kinds_and_marks(store, row):
    with pytest.raises(sqlite3.IntegrityError):
        store.execute(f"INSERT INTO notes (kind, id, archived) VALUES {row}")


def test_the_schema_refuses_a_second_baseline(store):
    store.notes.set("run", 1, Note(baseline=True))
    with pytest.raises(sqlite3.IntegrityError):
        store.execute("INSERT INTO notes (kind, id, baseline) VALUES ('run', 2, 1)")
