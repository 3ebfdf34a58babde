# SPDX-License-Identifier: Apache-2.0
"""Constraints change without copying a table, and homes from before imported rankings get them by migrating."""

from __future__ import annotations

from contextlib import closing

import pytest
from sqlite_utils import Database
from sqlite_utils.utils import sqlite3

from data import Store
from data.formats.shapes import PromptShape
from data.maintenance.check import check_home
from data.sqlite.connection import immediate_transaction
from data.sqlite.constraints import change_constraints
from data.sqlite.migrations import migrations
from data.sqlite.schema_objects import compare_schema
from labeling.session import Answer, Session
from tests.support.data.rankings import add_ranking

PETS = "CREATE TABLE pets (name TEXT NOT NULL, kind TEXT CHECK (kind IN ('cat', 'dog'))) STRICT"
WIDER = ("kind IN ('cat', 'dog')", "kind IN ('cat', 'dog', 'fox')")
COPIED = ("prompts", "completions", "pairs", "accounts", "ranking_tasks", "ranking_answers", "assignments")
COPIED += ("comparisons", "rankings", "ranking_places")


@pytest.fixture
def pets(tmp_path):
    """A file with a table of a cat."""
    database = Database(sqlite3.connect(tmp_path / "pets.db", isolation_level=None))
    database.execute(PETS)
    database.execute("CREATE VIEW cats AS SELECT * FROM pets WHERE kind = 'cat'")
    database.execute(
        "CREATE TRIGGER named BEFORE INSERT ON pets WHEN NEW.name = '' BEGIN SELECT RAISE(ABORT, 'no name'); END"
    )
    database.execute("INSERT INTO pets VALUES ('Tom', 'cat')")
    yield database
    database.close()


def test_a_changed_constraint_holds_at_once_for_every_connection(pets, tmp_path):
    with closing(sqlite3.connect(tmp_path / "pets.db", isolation_level=None)) as other:
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            other.execute("INSERT INTO pets VALUES ('Reynard', 'fox')")
        with immediate_transaction(pets):
            change_constraints(pets, {"pets": [WIDER, ("name TEXT NOT NULL", "name TEXT")]})
            pets.execute("INSERT INTO pets VALUES ('Reynard', 'fox')")
        other.execute("INSERT INTO pets VALUES (NULL, 'fox')")
        for refused in ("('', 'cat')", "('Bert', 'bird')"):
            with pytest.raises(sqlite3.IntegrityError):
                other.execute(f"INSERT INTO pets VALUES {refused}")
        assert other.execute("SELECT name FROM cats").fetchall() == [("Tom",)]
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert other.execute("PRAGMA writable_schema").fetchone() == (0,)


@pytest.mark.parametrize(
    ("change", "error"),
    [(("kind IN ('cow')", "1"), ValueError), ((WIDER[0], "kind IN ("), sqlite3.DatabaseError)],
    ids=["a part that is not there", "an error in the definition"],
)
def test_a_change_that_fails_leaves_the_table_as_it_was(pets, change, error):
    with pytest.raises(error), immediate_transaction(pets):
        change_constraints(pets, {"pets": [change]})
    assert pets["pets"].schema == PETS
    pets.execute("INSERT INTO pets VALUES ('Rex', 'dog')")
    assert pets.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.fixture
def before(tmp_path, store, add_pairs):
    """A home from before imported rankings, with a comparison and a ranking by a person; and the store it copies."""
    add_pairs(1)
    session = Session(store, store.accounts.add("Mina", "labeler"))
    session.submit(Answer("answer-1", session.next().assignment, "left"))
    add_ranking(store, PromptShape("Name one."), [(text, "p1") for text in "abc"], (1, 2, 2), "Mina")
    old = tmp_path / "old"
    old.mkdir()
    database = Database(sqlite3.connect(old / "feedback.db", isolation_level=None))
    database.conn.execute("PRAGMA journal_mode=wal")
    migrations.apply(database, stop_before="m150_imported_rankings")
    for table in COPIED:
        names = [column.name for column in database[table].columns]
        rows = store.db.conn.execute(f"SELECT {', '.join(names)} FROM {table}")
        marks = ", ".join("?" * len(names))
        database.conn.executemany(f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)
    database.execute("UPDATE ranking_tasks SET judged = 1")  # triggers counted the copied ranking once more
    database.close()
    return old


def test_a_home_from_before_keeps_its_rows_triggers_and_views(before, store):
    with closing(sqlite3.connect(before / "feedback.db")) as reader:  # another process, open all the time
        assert reader.execute("SELECT count(*) FROM rankings").fetchone() == (1,)
        (version,) = reader.execute("PRAGMA schema_version").fetchone()
        with closing(Store(before)) as moved:
            assert moved.comparisons.events() == store.comparisons.events()
            assert moved.rankings.events() == store.rankings.events()
            assert moved.value("SELECT count(*) FROM ranked_pairs") == 3
            assert moved.value("PRAGMA schema_version") > version
            assert moved.value("PRAGMA integrity_check") == "ok"
            assert moved.rows("PRAGMA foreign_key_check") == []
            assert compare_schema(moved.db.conn) == []
            for table in ("comparisons", "rankings"):
                with pytest.raises(sqlite3.IntegrityError, match="written once"):
                    moved.execute(f"UPDATE {table} SET source = 'ai'")
        assert reader.execute("SELECT import_id FROM current_rankings").fetchall() == [(None,)]
    assert check_home(before) == []


@pytest.mark.parametrize("table", ["comparisons", "rankings"])
@pytest.mark.parametrize(
    ("source", "assigned", "problem"),
    [
        ("ai", False, None),
        ("import", False, None),
        ("person", False, "CHECK"),
        ("simulated", False, "CHECK"),
        ("robot", True, "CHECK"),
    ],
)
def test_only_imported_labels_and_those_of_a_model_lack_an_assignment(before, table, source, assigned, problem):
    with closing(Store(before)) as moved:
        row = moved.one(f"SELECT * FROM {table}") | {"id": "new", "source": source}
        row |= {} if assigned else {"assignment_id": None}
        if problem is None:
            moved.insert(table, row)
            assert moved.value(f"SELECT source FROM current_{table} WHERE id = 'new'") == source
            return
        with pytest.raises(sqlite3.IntegrityError, match=problem):
            moved.insert(table, row)
