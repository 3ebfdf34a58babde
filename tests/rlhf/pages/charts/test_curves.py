# SPDX-License-Identifier: Apache-2.0
"""The curves of a run: thinned, without values that are not finite, joined with the runs that it continues."""

from __future__ import annotations

import math

from data.records import Run
from data.store import Store
from rlhf.pages.charts import curves
from rlhf.pages.charts.curves import read_curves, thin


def report(store: Store, run: Run, steps: range, **values: float) -> None:
    for step in steps:
        store.metrics.log(run.id, step, values)


def test_a_long_series_is_thinned_and_keeps_its_newest_point():
    points = thin([(step, step / 1000) for step in range(1001)]).points
    assert len(points) == 335  # every third of 1,001, and the newest
    assert points[:2] == [(0, 0.0), (3, 0.003)]
    assert points[-1] == (1000, 1.0)
    assert len(points) <= curves.POINTS + 1


def test_a_point_that_arrives_moves_no_other():
    before, after = (thin([(step, 0.0) for step in range(n)]).points for n in (1001, 1002))
    assert before[:-1] == after[:-1]


def test_values_that_are_not_finite_are_counted():
    series = thin([(0, 1.0), (1, math.nan), (2, math.inf), (3, 2.0)])
    assert series == ([(0, 1.0), (3, 2.0)], 2)
    assert thin([(1, math.nan)]) == ([], 1)


def test_a_resumed_run_shows_what_it_continues_before_its_own_first_step(store):
    first = store.runs.enqueue("ppo", {}, "rae")
    report(store, first, range(1, 6), reward=1.0, seconds=10.0, old_only=7.0)  # it worked until step 5,
    second = store.runs.enqueue("ppo", {}, "rae", resumes=first.id)
    report(store, second, range(4, 8), reward=2.0, seconds=3.0)  # and its checkpoint was of step 3
    third = store.runs.enqueue("ppo", {}, "rae", resumes=second.id)
    report(store, third, range(8, 9), reward=3.0, seconds=5.0)
    joined = read_curves(store, third)
    assert [run.id for run in joined.before] == [first.id, second.id]
    assert joined.series["reward"].points == [(n, 1.0 if n < 4 else 2.0 if n < 8 else 3.0) for n in range(1, 9)]
    assert joined.series["old_only"].points == [(n, 7.0) for n in range(1, 4)]
    assert joined.seconds == {**dict.fromkeys((1, 2, 3), 10), **dict.fromkeys((4, 5, 6, 7), 10 + 3), 8: 10 + 3 + 5}
    assert read_curves(store, first).series["reward"].points == [(n, 1.0) for n in range(1, 6)]


def test_a_resumed_run_that_reported_nothing_yet_shows_all_of_the_other(store):
    first = store.runs.enqueue("ppo", {}, "rae")
    report(store, first, range(1, 4), reward=1.0)
    second = store.runs.enqueue("ppo", {}, "rae", resumes=first.id)
    assert [step for step, _ in read_curves(store, second).series["reward"].points] == [1, 2, 3]


def test_a_run_of_an_earlier_version_has_no_seconds(store):
    run = store.runs.enqueue("ppo", {}, "rae")
    report(store, run, range(1, 4), reward=1.0)
    assert read_curves(store, run).seconds == {}
