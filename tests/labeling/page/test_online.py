# SPDX-License-Identifier: Apache-2.0
"""The labeler's page shows what the online run of its project has learned, and nothing where no such run works."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from data.store import Store
from labeling.page.feedback import OnlineEffect, online_effect
from tests.support.data.online_answers import OnlineRunRows


@pytest.fixture
def standard(store):
    return store.projects.get(1)


def learned(rows: OnlineRunRows, minutes: int = 0) -> OnlineRunRows:
    """Let the run have made one update with 40 labels, and have asked about it `minutes` ago."""
    rows.curve(1, (40, 0.3, 0.6, 0.1))
    moment = (datetime.now(UTC) - timedelta(minutes=minutes, seconds=5)).isoformat()
    for pair in rows.ask(2, version=1):
        rows.store.execute("UPDATE pairs SET created_at = ? WHERE id = ?", [moment, pair.id])
    return rows


def test_the_header_says_how_many_labels_moved_the_policy_and_when(store, ask):
    rows = learned(OnlineRunRows(store).start(), minutes=2)
    header = ask("look")["regions"]["header"]
    assert "The policy has learned from 40 labels; the last update was 2 minutes ago." in header
    assert "정책이 라벨 40개로 학습했습니다" in ask("look", headers={"Accept-Language": "ko"})["regions"]["header"]
    store.runs.finish(rows.run.id, "done")
    assert "learned" not in ask("look")["regions"]["header"]


def test_nothing_is_shown_before_the_first_update_and_for_another_kind_of_run(store, standard):
    OnlineRunRows(store)  # queued
    assert online_effect(store, standard) is None
    rows = OnlineRunRows(store).start()
    rows.ask(2)
    assert online_effect(store, standard) is None
    rows.curve(1, (40, 0.3, 0.6, 0.1))
    assert online_effect(store, standard) == OnlineEffect(40, 0)


def test_a_run_in_another_project_is_not_this_projects(store, standard):
    notes = store.projects.add("Notes")
    learned(OnlineRunRows(store, project="Notes").start())
    assert online_effect(store, standard) is None
    assert online_effect(store, notes) == OnlineEffect(40, 0)


def test_without_an_online_run_it_is_one_read_of_the_store(store, standard, monkeypatch):
    reads = []
    rows = Store.rows
    monkeypatch.setattr(Store, "rows", lambda self, *given: reads.append(given) or rows(self, *given))
    monkeypatch.setattr(Store, "value", lambda *given: pytest.fail("another query"))
    monkeypatch.setattr(Store, "maybe", lambda *given: pytest.fail("another query"))
    assert online_effect(store, standard) is None
    assert len(reads) == 1
