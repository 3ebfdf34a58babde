# SPDX-License-Identifier: Apache-2.0
"""The derived tables of labeling are what the events say, and older homes get them by migrating."""

from __future__ import annotations

import random

import pytest
from sqlite_utils import Database

from data import Store
from data.sqlite.migrations import migrations
from data.views.rebuild_derived import REBUILT, rebuild
from labeling.session import Answer, Session

TABLES = (
    "SELECT * FROM queue ORDER BY 1",
    "SELECT * FROM tallies WHERE answers != 0 ORDER BY 1, 2",
    "SELECT id, done FROM assignments ORDER BY 1",
)


def derived(store):
    return [store.rows(sql) for sql in TABLES]


@pytest.fixture
def worked(store, add_pairs):
    """Three people and a simulated labeler who answered, skipped, undid and corrected in a random order."""
    add_pairs(20)
    rng = random.Random(4)
    for name in ("Mina", "Jun", "Ada"):
        store.accounts.add(name, "labeler")
    store.accounts.add("sim-1", "labeler", simulated=True)
    for number in range(120):
        session = Session(store, rng.choice(("Mina", "Jun", "Ada", "sim-1")), overlap=3, rng=rng)
        item = session.next()
        last = session.events.latest_answer(session.labeler.id)
        match rng.randrange(6), item:
            case 0, item if item:
                session.skip(item.assignment, "no")
            case 1, _ if last:
                session.undo()
            case 2, _ if last and last.assignment_id:
                session.submit(Answer(f"answer-{number}", last.assignment_id, "tie", supersedes=last.id))
            case _, item if item:
                session.submit(Answer(f"answer-{number}", item.assignment, "left"))
    return store


def test_what_triggers_keep_is_what_a_rebuild_makes(worked):
    before = derived(worked)
    assert {row["judged"] for row in before[0]} >= {0, 1, 2}
    rows = rebuild(worked)
    assert derived(worked) == before
    assert (rows["queue"], rows["assignments"]) == (20, worked.value("SELECT count(*) FROM assignments"))
    assert set(rows) == set(REBUILT)


def test_a_home_of_the_first_version_is_brought_up_to_date(tmp_path, worked):
    old = Database(tmp_path / "feedback.db")
    old.conn.execute("PRAGMA journal_mode=wal")
    migrations.apply(old, stop_before="m002_projects")
    for table in ("prompts", "completions", "pairs", "accounts", "assignments", "comparisons", "skips"):
        columns = ", ".join(column.name for column in old[table].columns)
        rows = worked.db.conn.execute(f"SELECT {columns} FROM {table} ORDER BY rowid").fetchall()
        old.conn.executemany(
            f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(old[table].columns))})", rows
        )
    old.conn.commit()
    old.close()
    moved = Store(tmp_path)
    assert derived(moved) == derived(worked)
    assert moved.comparisons.events() == worked.comparisons.events()
    assert moved.value("PRAGMA foreign_keys") == 1
    assert moved.projects.all()[0].everyone
    moved.close()
