# SPDX-License-Identifier: Apache-2.0
"""The Live page reads the newest online run, whatever resumed it, and its mark changes with what it shows."""

from __future__ import annotations

import math

import pytest

from data.intervals import wilson_interval
from rlhf.pages.live.state import Change, find_change, find_mark, find_run, read_state
from tests.support.data.online_answers import OnlineRunRows


@pytest.fixture
def rows(store):
    """A running online run."""
    return OnlineRunRows(store).start()


def test_a_running_run_comes_before_a_queued_one_and_that_before_the_last(store):
    assert find_run(store) is None
    ended, running, queued = (OnlineRunRows(store) for _ in range(3))
    store.runs.enqueue("ppo", {}, "rae")
    store.runs.request_cancel(ended.run.id)
    assert find_run(store).id == queued.run.id
    running.start()
    assert find_run(store).id == running.run.id
    for run in (running.run, queued.run):
        store.runs.request_cancel(run.id)
    store.runs.finish(running.run.id, "cancelled")
    assert find_run(store).id == queued.run.id


def test_the_figures_come_from_the_answers_and_the_curves(store, rows):
    rows.answer_all("lllr", "start")
    rows.answer_all("lr", "random")
    rows.answer_all("lllll", "variance", version=1)
    rows.curve(1, (8, 0.2, 0.69, 0.0))
    rows.curve(2, (16, 0.4, 0.6, 0.1))
    waiting = rows.ask(3, "variance", version=1)
    state = read_state(store, store.runs.get(rows.run.id))
    assert (state.figures.win_rate.value, state.figures.win_rate.count) == (0.75, 4)
    assert state.figures.win_rate.interval == wilson_interval(3, 4)
    assert (state.figures.accuracy.value, state.figures.accuracy.count) == (0.5, 2)
    assert (state.figures.labels, state.learned_from, state.updates, state.kl) == (11, 16, 2, 0.4)
    assert (state.at_work, state.waiting, state.can_resume) == (1, len(waiting), False)


def test_labels_of_sources_that_the_run_does_not_name_are_left_out(store):
    rows = OnlineRunRows(store, labels="person").start()
    first, second = rows.ask(2)
    rows.answer(first, "left")
    rows.answer(second, "left", source="simulated", labeler=store.accounts.add("sim", "labeler"))
    assert read_state(store, rows.run).figures.labels == 1
    both = OnlineRunRows(store, labels="person+simulated").start()
    first, second = both.ask(2)
    both.answer(first, "left")
    both.answer(second, "left", source="simulated", labeler=store.accounts.by_name("sim"))
    assert read_state(store, both.run).figures.labels == 2


def test_a_resumed_run_shows_the_answers_and_curves_of_the_first_one_too(store, rows):
    rows.answer_all("lr")
    rows.curve(1, (8, 0.2, 0.69, 0.0))
    store.runs.finish(rows.run.id, "cancelled")
    resumed = OnlineRunRows(store, resumes=rows.run).start()
    resumed.answer_all("l", version=1)
    resumed.curve(2, (30, 0.5, 0.6, 0.1))
    state = read_state(store, resumed.run)
    assert (state.figures.win_rate.count, state.updates) == (3, 2)
    assert state.change == Change(22, 1, (0.2, 0.5), (0.69, 0.6))


def test_a_run_that_ended_early_can_be_resumed_from_its_checkpoint_alone(store, rows):
    store.runs.finish(rows.run.id, "cancelled")
    assert not read_state(store, store.runs.get(rows.run.id)).can_resume
    (store.home / "runs" / str(rows.run.id) / "checkpoint" / "checkpoint-1").mkdir(parents=True)
    state = read_state(store, store.runs.get(rows.run.id))
    assert (state.can_resume, state.forecast) == (True, None)


def test_what_the_last_labels_changed_needs_an_update_20_labels_ago():
    curves = {"labels": [(1, 8.0), (2, 16.0), (3, 27.0)], "kl": [(1, 0.1), (2, 0.2), (3, 0.3)]}
    assert find_change({}) is None
    assert find_change(curves) is None  # 19 labels since the first update
    change = find_change(curves | {"labels": [(1, 8.0), (2, 10.0), (3, 30.0)]})
    assert change[:3] == (20, 1, (0.2, 0.3))
    assert all(map(math.isnan, change.held_out_loss))


def test_the_mark_changes_with_a_label_a_curve_a_question_and_the_run_and_with_nothing_else(store, rows):
    (pair,) = rows.ask(1)
    marks = [find_mark(store, store.runs.get(rows.run.id))]

    def changed() -> bool:
        marks.append(find_mark(store, store.runs.get(rows.run.id)))
        return marks[-1] != marks[-2]

    store.runs.heartbeat(rows.run.id)
    store.accounts.add("bo", "labeler")
    assert not changed()
    rows.answer(pair, "left")
    assert changed()
    rows.curve(1, (8, 0.2, 0.69, 0.0))
    assert changed()
    rows.ask(1)
    assert changed()
    store.runs.progress(rows.run.id, 1, 8, "9 labels to learn from; the next step begins at 16")
    assert changed()
    store.runs.request_cancel(rows.run.id)
    assert changed()
