# SPDX-License-Identifier: Apache-2.0
"""Conclusions about an online run are drawn only where the random arm carries them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from rlhf.online.figures import measure
from rlhf.online.outlook import forecast, judge, labels_per_hour
from tests.support.data.online_answers import ANSWER

MEETS_START = replace(ANSWER, rule="start")
NOON = datetime.fromisoformat("2026-01-01T13:00:00+00:00")


def against_start(wins, losses):
    return [MEETS_START] * wins + [replace(MEETS_START, label=0.0)] * losses


def of_policy(right, wrong):
    answer = replace(MEETS_START, rule="random")
    return [answer] * right + [replace(answer, label=0.0)] * wrong


def verdict(answers, test_prompts=100):
    figures = measure(answers)
    return judge(answers, figures.accuracy, figures.win_rate, test_prompts)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], "too_few"),
        (against_start(9, 10), "too_few"),
        (against_start(6, 24), "worse_than_start"),  # Wilson: 0.2 of 30 ends at 0.37
        (against_start(20, 0) + against_start(8, 12), "getting_worse"),  # all of 20, then 0.4 of 20
        (of_policy(12, 10) + against_start(10, 8), "no_better_than_a_coin"),
        (against_start(24, 6), "learning"),
        (of_policy(22, 4) + against_start(3, 3), "learning"),
    ],
)
def test_the_verdict_follows_the_random_arm(answers, expected):
    assert verdict(answers) == expected


def test_without_test_prompts_nothing_can_be_said():
    assert verdict(against_start(24, 6), test_prompts=0) == "no_test_prompts"


def test_answers_of_the_active_arm_change_no_verdict():
    active = [replace(MEETS_START, arm="active", rule="variance", label=0.0)] * 500
    assert verdict(against_start(24, 6) + active) == "learning"


def test_the_forecast_counts_labels_of_all_arms_until_the_interval_is_five_points_either_way():
    # 15 of 20 won: 0.75 x 0.25 x (1.96 / 0.05)^2 = 288.1 answers against the start, 269 more; one label in five is one
    answers = against_start(15, 5) + [replace(MEETS_START, arm="active", rule="variance")] * 80
    found = forecast(answers, measure(answers).win_rate, NOON)
    assert found.labels == 269 * 5
    assert found.hours == pytest.approx(269 * 5 / 100)  # 100 labels in the last hour
    assert forecast([], measure([]).win_rate, NOON) is None
    known = against_start(300, 100)
    assert forecast(known, measure(known).win_rate, NOON) is None


def test_the_pace_is_that_of_the_last_hour():
    old = [replace(MEETS_START, created_at="2026-01-01T11:00:00+00:00")] * 50
    recent = [replace(MEETS_START, created_at="2026-01-01T12:30:00+00:00")] * 10
    assert labels_per_hour(old + recent, NOON) == pytest.approx(20)
    assert labels_per_hour(old, NOON) == 0.0
