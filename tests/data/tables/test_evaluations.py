# SPDX-License-Identifier: Apache-2.0
"""Stored evaluations of earlier versions get the present interval, from the scores that they hold."""

from __future__ import annotations

import pytest

from data.intervals import METHOD, share_interval
from data.store import Store


@pytest.fixture
def policies(store: Store) -> Store:
    for name in ("one", "two"):
        store.policies.add(name=name, kind="base", base="made")
    return store


def test_an_interval_of_width_zero_is_computed_again_from_the_scores(policies):
    draws = {"start": [[0.1] * 12, [0.1] * 12], "end": [[0.9] * 12, [0.9] * 12]}
    old = {"win_rate": 1.0, "win_rate_ci": [1.0, 1.0], "prompts": 12, "gold_draws": draws}
    policies.evaluations.add(2, 1, "rubric", old)
    report = policies.evaluations.latest(2, 1, "rubric").report
    assert report["win_rate_ci"] == list(share_interval([1.0] * 12))
    assert report["win_rate_ci"][0] < report["win_rate_ci"][1] == 1.0


def test_ties_and_draws_count_as_in_the_win_rate(policies):
    draws = {"start": [[0.5, 0.5, 0.2]], "end": [[0.5, 0.9, 0.1]]}
    policies.evaluations.add(2, 1, "rubric", {"win_rate": 0.5, "win_rate_ci": [0.5, 0.5], "gold_draws": draws})
    (evaluation,) = policies.evaluations.all()
    assert evaluation.report["win_rate_ci"] == list(share_interval([0.5, 1.0, 0.0]))


def test_a_present_report_stays_as_it_is(policies):
    report = {"win_rate_ci": [0.4, 0.6], "interval_method": METHOD, "gold_draws": {"start": [[0.1]], "end": [[0.9]]}}
    assert policies.evaluations.add(2, 1, "rubric", report).report == report
    without = {"win_rate": 0.5, "win_rate_ci": [0.4, 0.6]}
    assert policies.evaluations.add(2, 1, "rubric", without).report == without
