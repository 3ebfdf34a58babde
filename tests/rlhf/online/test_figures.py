# SPDX-License-Identifier: Apache-2.0
"""The figures of an online run come from its random arm, with their denominators."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data.intervals import wilson_interval
from rlhf.online.figures import WINDOW, Freshness, Share, Wins, measure, wins_between
from tests.support.data.online_answers import ANSWER


def test_a_share_has_the_interval_of_its_count():
    assert Share.of([1.0, 1.0, 0.0, 0.5]) == Share(0.625, wilson_interval(2.5, 4), 4)
    assert Share.of([]).value is None


def test_accuracy_counts_predicted_answers_of_the_random_arm_between_two_answers_of_the_policy():
    as_predicted, other = ANSWER, replace(ANSWER, label=0.0, pair_id=2)
    left_out = [replace(ANSWER, arm="active", rule="variance"), replace(ANSWER, rule="start")]
    figures = measure([as_predicted, as_predicted, other, replace(ANSWER, label=0.5), *left_out])
    assert (figures.accuracy.value, figures.accuracy.count) == (pytest.approx(2.5 / 4), 4)


def test_a_win_is_the_policys_answer_whichever_is_first():
    meets = replace(ANSWER, rule="start")
    answers = [meets, replace(meets, first_is_learner=False), replace(meets, label=0.0), replace(meets, label=0.5)]
    figures = measure(answers)
    assert (figures.win_rate.value, figures.win_rate.count) == ((1 + 0 + 0 + 0.5) / 4, 4)


def test_agreement_is_of_two_labelers_on_one_pair():
    second = replace(ANSWER, labeler_id=2)
    figures = measure([ANSWER, second, replace(second, label=0.0, labeler_id=3), replace(ANSWER, pair_id=2)])
    # of the three couples of labelers on pair 1 one agrees; pair 2 has one labeler
    assert (figures.agreement.value, figures.agreement.count) == (pytest.approx(1 / 3), 3)


def test_freshness_counts_answers_about_the_newest_policy_its_parent_and_older_ones():
    answers = [replace(ANSWER, version=version, newest=4) for version in (4, 4, 2, 0)]
    assert measure([replace(ANSWER, version=2, newest=2), *answers]).freshness == Freshness(3, 1, 1)


def test_the_newest_win_rate_counts_the_last_verdicts_against_the_start_and_names_their_versions():
    start = replace(ANSWER, rule="start")
    old = [replace(start, version=1, label=0.0)] * 40
    new = [replace(start, version=version) for version in (3, 4) for _ in range(WINDOW // 2)]
    others = [replace(ANSWER, version=9)] * 5
    wins = measure([*old, *new, *others]).recent_wins
    assert wins == Wins(3, 4, Share.of([1.0] * WINDOW))
    assert measure([*old, *new]).win_rate.count == 40 + WINDOW
    assert measure(others).recent_wins == Wins(None, None, Share.of([]))


def test_a_published_policy_has_the_verdicts_on_the_versions_since_the_one_before():
    start = replace(ANSWER, rule="start")
    answers = [replace(start, version=0)] + [
        replace(start, version=version, label=version % 2) for version in range(1, 8)
    ]
    # versions 1 to 4 won 1, 0, 1, 0; versions 5 and 6 won 1, 0; version 7 is not published, and version 0 is the start
    assert wins_between(answers, [4, 6]) == [Wins(1, 4, Share.of([1, 0, 1, 0])), Wins(5, 6, Share.of([1, 0]))]
