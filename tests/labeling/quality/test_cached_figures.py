# SPDX-License-Identifier: Apache-2.0
"""Figures on labels come from a process of their own: it reads only, a killed one is started again, and nobody waits."""

from __future__ import annotations

import gc
import os
import signal
import threading
from contextlib import contextmanager

import pytest

from data.sqlite.connection import exclusive_lock
from data.store import Store
from labeling.quality import cached_figures, figures_worker
from labeling.quality.cached_figures import read_figures
from labeling.quality.figures_process import SHORT_SECONDS, FiguresProcess, process_of
from labeling.quality.overview import KINDS, OverviewBuilder, build_overview
from labeling.quality.weighting import weigh

LONG = 120.0
"""Seconds that a test waits for another process at most."""


def read(store, name="people"):
    return read_figures(store, name, patience=LONG)


@contextmanager
def held_up(store):
    """Inside the block the process stays in the middle of its work."""
    with exclusive_lock(store.home / figures_worker.LOCK):
        yield process_of(store)


@pytest.fixture
def labels(store, add_pairs, compare, mina, jun):
    """Two labelers agree on three pairs of four; a fourth pair waits."""
    for pair in (pairs := add_pairs(4))[:3]:
        compare(pair, mina, "left")
        compare(pair, jun, "left")
    return pairs


def test_figures_are_computed_in_another_process_and_equal_those_computed_here(store, labels, monkeypatch):
    here = {kind: build_overview(store, kind) for kind in KINDS}

    def refuse(self, store):
        raise AssertionError("the serving process computes")

    monkeypatch.setattr(OverviewBuilder, "build", refuse)
    assert {kind: read(store, kind).figures for kind in KINDS} == here
    assert process_of(store).child.pid != os.getpid()
    assert read(store).since == ""


def test_newer_figures_have_the_new_labels_and_only_a_change_is_computed(store, labels, compare, mina):
    before = read(store)
    assert read(store).mark == before.mark
    compare(labels[3], mina, "left")
    after = read(store)
    assert (before.figures.comparisons, after.figures.comparisons) == (6, 7)


def test_a_page_gets_what_there_is_at_once_with_its_time_and_the_number_of_new_labels(store, labels, compare, mina):
    first = read(store)
    with held_up(store) as process:
        process.newest["people"] = process.newest["people"]._replace(seconds=2 * SHORT_SECONDS)
        compare(labels[3], mina, "left")
        old = read(store)  # if it waited, it would wait for LONG
        assert old == (first.figures, first.mark, process.newest["people"].computed_at, 1, 0)
    process.wait("people")
    assert read(store).new == 0


def test_a_process_that_is_killed_in_the_middle_is_started_again_by_the_next_look(store, labels):
    with held_up(store) as process:
        assert read_figures(store, "people").figures is None
        killed = process.child
        os.kill(killed.pid, signal.SIGKILL)
        process.wait("people", LONG)
        assert (process.child, killed.returncode) == (None, -signal.SIGKILL)
        assert read_figures(store, "people").figures is None
        assert process.child.pid != killed.pid
    assert read(store).figures == build_overview(store, "people")


def test_a_process_that_fails_twice_rests_and_says_so_and_the_next_answer_clears_that(store, labels, monkeypatch):
    with held_up(store) as process:
        for _ in range(2):
            read_figures(store, "people")
            os.kill(process.child.pid, signal.SIGKILL)
            process.wait("people", LONG)
        state = read_figures(store, "people")
        assert (state.figures, state.failure, process.child) == (None, -signal.SIGKILL, None)
    process._resting_until.clear()  # a minute later
    assert read(store).failure == 0


def test_figures_that_are_computed_on_demand_have_the_newest_labels(store, labels, compare, mina):
    """The process is in the middle of older figures when a label comes and somebody asks for the newest."""
    found = []
    with held_up(store) as process:
        read_figures(store, "people")
        asking = threading.Thread(target=lambda: found.append(process.compute("people")))
        asking.start()
        process._keep(figures_worker.Computed("people", {}, "", 0.0, "older figures"))
    asking.join(LONG)
    assert found[0].comparisons == 6


def test_the_process_ends_with_its_store_in_the_middle_of_its_work(tmp_path):
    store = Store(tmp_path / "other")
    with exclusive_lock(store.home / figures_worker.LOCK):
        read_figures(store, "people")
        child = process_of(store).child
        store.close()
        del store
        gc.collect()
        assert child.wait(LONG) == 0


def test_every_figure_is_computed_on_a_store_that_refuses_to_write(store, labels):
    weigh(store, KINDS["people"], by="rae")
    reader = Store(store.home, read_only=True)
    before = store.db.conn.execute("PRAGMA data_version").fetchone()
    for name, function in figures_worker.figure_functions().items():
        figures_worker.compute(reader, name, function)
    assert store.db.conn.execute("PRAGMA data_version").fetchone() == before
    reader.close()


def test_the_process_opens_the_store_for_reading_only_at_a_lower_priority(store, labels, monkeypatch):
    opened = []
    monkeypatch.setattr(figures_worker, "Store", lambda home, read_only: opened.append(read_only))
    monkeypatch.setattr(figures_worker.os, "nice", opened.append)
    monkeypatch.setattr(figures_worker, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(figures_worker.sys, "stdin", [])
    monkeypatch.setattr(figures_worker.os, "_exit", lambda status: None)
    monkeypatch.setattr(figures_worker.os, "dup2", lambda *descriptors: None)
    figures_worker.main(store.home)  # ends as nobody asks
    assert opened == [figures_worker.NICENESS, True]


def test_weights_are_fitted_in_the_process_and_are_those_of_the_command(store, labels, mina):
    fitted = process_of(store).compute("weights people")
    assert tuple(fitted.weights) == weigh(store, KINDS["people"], by="rae").weights
    assert process_of(store).compute("weights ai") is None


def test_long_figures_are_followed_by_a_pause_and_short_ones_by_none(tmp_path):
    process = FiguresProcess(tmp_path)
    computed = figures_worker.Computed("people", {}, "", SHORT_SECONDS, None)
    process._keep(computed)
    assert process._resting_until == {}
    process._keep(computed._replace(seconds=1000.0))
    process.ask("people")
    assert (process.child, process.pending) == (None, set())


def test_an_imports_comparisons_count_when_it_is_done(store, add_pairs, compare, mina):
    one, other = add_pairs(2)
    store.insert("imports", {"id": 1, "actor": "rae", "what": "preferences", "files": "[]", "created_at": ""})
    about = {
        "pair_id": one.id,
        "labeler_id": mina.id,
        "left_id": one.first_id,
        "right_id": one.second_id,
        "winner_id": one.first_id,
        "margin": 2,
    }
    fixed = {
        "id": "imported",
        "verdict": "left",
        "source": "import",
        "project_id": 1,
        "guideline_version": 1,
        "created_at": "",
        "import_id": 1,
    }
    store.insert("comparisons", about | fixed)
    compare(other, mina, "left")
    assert read(store).figures.comparisons == 1
    store.execute("UPDATE imports SET done_at = '2026'")
    assert read(store).figures.comparisons == 2


def test_few_events_are_computed_here_if_the_caller_says_so(store, labels):
    assert read_figures(store, "agreement", foreground_limit=7).figures == (1.0, 3)
    assert process_of(store).child is None
    assert cached_figures.read_figures(store, "agreement", foreground_limit=5).figures == (1.0, 3)  # unchanged
