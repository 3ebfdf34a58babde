# SPDX-License-Identifier: Apache-2.0
"""Comparisons are append-only events, recorded once, about the completions and the sides that were on the screen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlite_utils.utils import sqlite3

from data.clock import now
from data.errors import BadInput, Refused


@pytest.fixture
def pair(add_pairs):
    """A pair that waits."""
    return add_pairs(1)[0]


@pytest.fixture
def mina(store):
    """A labeler."""
    return store.accounts.add("Mina", "labeler")


def event(pair, labeler, **other):
    """An imported comparison: the first completion stood left and is clearly better."""
    sides = {"left_id": pair.first_id, "right_id": pair.second_id}
    plain = {"id": "e1", "pair_id": pair.id, "labeler_id": labeler.id, "verdict": "left", "source": "import"}
    return plain | sides | other


@pytest.fixture
def assign(store, mina):
    """assign(pair) -> the id of an assignment to Mina, the second completion on the left."""

    def make(pair, labeler=mina):
        row = {"id": f"a{pair.id}-{labeler.id}", "pair_id": pair.id, "labeler_id": labeler.id}
        sides = {"left_id": pair.second_id, "right_id": pair.first_id}
        store.insert("assignments", row | sides | {"expires_at": now(), "created_at": now()})
        return row["id"]

    return make


def test_events_refuse_update_and_delete(store, pair, mina, assign):
    store.comparisons.record(**event(pair, mina))
    store.insert("skips", {"assignment_id": assign(pair), "reason": "unclear", "created_at": now()})
    store.audit.add("Mina", "export")
    for table in ("comparisons", "skips", "audit"):
        before = store.rows(f"SELECT * FROM {table}")
        assert len(before) == 1
        for statement in (f"UPDATE {table} SET created_at = ''", f"DELETE FROM {table}"):
            with pytest.raises(sqlite3.IntegrityError, match="written once"):
                store.execute(statement)
        assert store.rows(f"SELECT * FROM {table}") == before


def test_insert_or_replace_cannot_rewrite_an_event(store, pair, mina):
    store.comparisons.record(**event(pair, mina))
    row = store.one("SELECT * FROM comparisons")
    changed = row | {"verdict": "right", "winner_id": row["right_id"]}
    with pytest.raises(sqlite3.IntegrityError, match="written once"):
        store.db["comparisons"].insert(changed, replace=True)
    assert store.comparisons.get("e1").verdict == "left"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE prompts SET split = 'test'",
        "UPDATE prompts SET text = 'other'",
        "UPDATE completions SET text = 'other'",
        "DELETE FROM completions",
        "DELETE FROM prompts",
        "DELETE FROM pairs",
    ],
)
def test_what_events_are_about_cannot_change_or_go(store, pair, mina, statement):
    store.comparisons.record(**event(pair, mina))
    with pytest.raises(sqlite3.IntegrityError):
        store.execute(statement)


@pytest.mark.parametrize(
    ("verdict", "winner", "margin"),
    [
        ("left_much", "left_id", 3),
        ("left", "left_id", 2),
        ("left_slightly", "left_id", 1),
        ("tie", None, 0),
        ("right_slightly", "right_id", 1),
        ("right", "right_id", 2),
        ("right_much", "right_id", 3),
        ("both_bad", None, 0),
    ],
)
def test_the_winner_is_a_completion_and_the_margin_says_how_clearly(store, pair, mina, verdict, winner, margin):
    store.comparisons.record(**event(pair, mina, verdict=verdict))
    recorded = store.comparisons.get("e1")
    assert (recorded.left_id, recorded.right_id) == (pair.first_id, pair.second_id)
    assert recorded.winner_id == (winner and getattr(recorded, winner))
    assert recorded.margin == margin


def test_the_schema_refuses_a_winner_that_the_verdict_does_not_name(store, pair, mina):
    store.comparisons.record(**event(pair, mina))
    row = store.one("SELECT * FROM comparisons") | {"id": "e2"}
    for wrong in (
        {"winner_id": row["right_id"]},
        {"winner_id": None},
        {"margin": 3},
        {"verdict": "tie"},
        {"verdict": "best"},
    ):
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            store.insert("comparisons", row | wrong)


def test_recording_the_same_answer_twice_records_it_once(store, pair, mina):
    assert store.comparisons.record(**event(pair, mina, rationale="kinder"))
    assert not store.comparisons.record(**event(pair, mina, rationale="kinder"))
    assert len(store.comparisons.events()) == 1
    assert store.comparisons.rationale("e1") == "kinder"


def test_an_id_is_not_taken_for_another_answer(store, pair, mina):
    store.comparisons.record(**event(pair, mina))
    with pytest.raises(Refused, match="'e1' was recorded with other content"):
        store.comparisons.record(**event(pair, mina, verdict="right"))


def test_an_imported_row_is_recorded_once_whatever_its_id(store, pair, mina):
    assert store.comparisons.record(**event(pair, mina, source_hash="row 1"))
    assert not store.comparisons.record(**event(pair, mina, id="e2", source_hash="row 1"))
    assert store.comparisons.record(**event(pair, mina, id="e3", source_hash="row 2"))
    assert [one.id for one in store.comparisons.events()] == ["e1", "e3"]


def test_many_imported_rows_are_recorded_in_one_commit_once(store, add_pairs, mina):
    events = [event(pair, mina, id=f"e{n}", source_hash=f"row {n}") for n, pair in enumerate(add_pairs(3))]
    prepare, record_many = store.comparisons.prepare, store.comparisons.record_many
    assert record_many(prepare(events[:2])) == 2
    assert record_many(prepare([*events, events[2]])) == 1
    assert record_many(prepare([])) == 0
    assert [one.id for one in store.comparisons.events()] == ["e0", "e1", "e2"]
    bad = event(store.pairs.get(1), mina, id="e9", source="person")
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        record_many(prepare([event(store.pairs.get(1), mina, id="e8"), bad]))
    assert store.comparisons.count() == 3


def test_an_assignment_has_one_first_answer(store, pair, mina, assign):
    id = assign(pair)
    sides = {"assignment_id": id, "left_id": pair.second_id, "right_id": pair.first_id, "source": "person"}
    store.comparisons.record(**event(pair, mina, **sides))
    with pytest.raises(Refused, match="has its answer"):
        store.comparisons.record(**event(pair, mina, **sides, id="e2"))
    row = store.one("SELECT * FROM comparisons")
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        store.insert("comparisons", row | {"id": "e2"})


def test_an_answer_is_on_the_sides_and_of_the_person_of_its_assignment(store, pair, mina, assign):
    id = assign(pair)
    other = store.accounts.add("Jun", "labeler")
    shown = {"assignment_id": id, "left_id": pair.second_id, "right_id": pair.first_id, "source": "person"}
    for wrong in ({"left_id": pair.first_id, "right_id": pair.second_id}, {"labeler_id": other.id}):
        with pytest.raises(sqlite3.IntegrityError, match="of its assignment"):
            store.comparisons.record(**event(pair, mina, **(shown | wrong)))


def test_an_answer_is_about_the_completions_of_its_pair(store, add_pairs, mina):
    first, second = add_pairs(2)
    with pytest.raises(sqlite3.IntegrityError, match="two completions of its pair"):
        store.comparisons.record(**event(replace(first, second_id=second.second_id), mina))


def test_only_imported_comparisons_come_without_an_assignment(store, pair, mina):
    for source in ("person", "simulated"):
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            store.comparisons.record(**event(pair, mina, source=source))


def test_a_correction_supersedes_and_an_undo_withdraws(store, pair, mina):
    store.comparisons.record(**event(pair, mina))
    store.comparisons.record(**event(pair, mina, id="e2", verdict="tie", supersedes="e1"))
    assert [comparison.id for comparison in store.comparisons.current()] == ["e2"]
    store.comparisons.record(**event(pair, mina, id="e3", verdict="withdrawn", supersedes="e2"))
    assert store.comparisons.current() == []
    store.comparisons.record(**event(pair, mina, id="e4", verdict="right", supersedes="e3"))
    assert [
        comparison.id for comparison in store.comparisons.current(pair_id=pair.id, labeler_id=mina.id, source="import")
    ] == ["e4"]
    assert [comparison.id for comparison in store.comparisons.events()] == ["e1", "e2", "e3", "e4"]


def test_an_answer_is_superseded_once_and_by_one_on_its_own_pair(store, add_pairs, mina):
    pair, other = add_pairs(2)
    store.comparisons.record(**event(pair, mina))
    for wrong in ({"supersedes": "unknown"}, event(other, mina) | {"supersedes": "e1"}):
        with pytest.raises(Refused, match="is not the current one"):
            store.comparisons.record(**(event(pair, mina) | wrong | {"id": "e2"}))
    store.comparisons.record(**event(pair, mina, id="e2", supersedes="e1"))
    with pytest.raises(Refused, match="'e1' is not the current one"):
        store.comparisons.record(**event(pair, mina, id="e3", supersedes="e1"))


def test_an_unknown_verdict_is_bad_input_that_lists_the_known(store, pair, mina):
    with pytest.raises(BadInput, match="'best' is not a verdict.*left_much"):
        store.comparisons.record(**event(pair, mina, verdict="best"))


def test_a_rationale_can_be_erased_and_the_event_stays(store, pair, mina):
    store.comparisons.record(**event(pair, mina, rationale="because of my name"))
    store.execute("DELETE FROM rationales")
    assert store.comparisons.rationale("e1") is None
    assert store.comparisons.count() == 1


def test_what_is_not_there_is_bad_input_that_names_it(store):
    with pytest.raises(BadInput, match="no comparison 'e9'"):
        store.comparisons.get("e9")
