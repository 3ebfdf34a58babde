# SPDX-License-Identifier: Apache-2.0
"""A rebuild makes the retracted rows, and what labelers are shown, from the events alone."""

from __future__ import annotations

import pytest

from data.maintenance.check import check_home
from data.maintenance.repair import repair_home
from data.tables.retractions import KINDS
from data.views.rebuild_derived import rebuild

PAIRS_NOW = "SELECT id, shown FROM pairs ORDER BY id"
TASKS_NOW = "SELECT id, shown FROM ranking_tasks ORDER BY id"


@pytest.fixture
def retracted(store, bring, preferences):
    """A preference and the oak of a pair and of a ranking task are retracted; another preference was taken back."""
    number = bring("pairs.jsonl", "pairs", {"prompt": "Name a tree.", "responses": ["Oak.", "Elm.", "Ash."]})
    ids = store.retractions.of_import(number)["completion"]
    task = store.rankings.add_task(store.completions.get(ids[0]).prompt_id, ids)
    assert task.shown
    first, second = (row.comparison_id for row in preferences[:2])
    store.retractions.retract("comparison", [first, second], by="rae")
    store.retractions.restore("comparison", [second], by="rae")
    store.retractions.retract("completion", ids[:1], by="rae")
    return store


def state(store):
    shown = [[tuple(row.values()) for row in store.rows(sql)] for sql in (PAIRS_NOW, TASKS_NOW)]
    return (
        [store.retractions.ids(kind) for kind in KINDS],
        shown,
        store.pairs.waiting_count(),
        store.comparisons.count(),
    )


@pytest.mark.parametrize(
    ("spoil", "table"),
    [
        ("DELETE FROM retracted", "retracted"),
        (
            "INSERT INTO retracted SELECT 'comparison', id FROM comparisons WHERE true ON CONFLICT DO NOTHING",
            "retracted",
        ),
        ("UPDATE pairs SET shown = 1", "pairs"),
        ("UPDATE pairs SET shown = 0", "pairs"),
        ("UPDATE ranking_tasks SET shown = 1", "ranking_tasks"),
    ],
)
def test_a_rebuild_makes_retracted_rows_and_shown_items_from_the_events(retracted, spoil, table):
    expected = state(retracted)
    retracted.execute(spoil)
    assert state(retracted) != expected
    findings = check_home(retracted.home)
    assert any(f"derived table {table} differ" in finding.problem for finding in findings)
    rebuild(retracted)
    assert state(retracted) == expected
    assert check_home(retracted.home) == []


def test_a_repair_brings_back_retracted_rows(retracted):
    expected = state(retracted)
    retracted.execute("DELETE FROM retracted")
    repair_home(retracted.home, check_home(retracted.home))
    assert state(retracted) == expected


def test_a_rebuild_leaves_the_pairs_of_a_running_import_hidden(store, bring):
    bring("pairs.jsonl", "pairs", {"prompt": "Name a tree.", "responses": ["Oak.", "Elm."]})
    store.execute("UPDATE imports SET revealed_at = NULL")
    store.execute("UPDATE pairs SET shown = 0")
    rebuild(store)
    assert store.pairs.waiting_count() == 0
