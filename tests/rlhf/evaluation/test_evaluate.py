# SPDX-License-Identifier: Apache-2.0
"""Figures of policies on numbers small enough to compute by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rlhf.common.metrics import (
    best_of_n_kl,
    distinct_n,
    expected_win_rate,
    is_collapsed,
    rate_with_interval,
    win_outcomes,
    within_prompt_std,
)


def test_a_difference_under_1e_9_is_half_a_win() -> None:
    mine, theirs = np.array([[1.0, 1.0, 1.0, 1.0]]), np.array([[0.0, 1.0 + 9e-10, 1.0 - 2e-9, 2.0]])
    assert win_outcomes(mine, theirs).tolist() == [[1.0, 0.5, 1.0, 0.0]]


def test_the_rate_is_the_mean_over_draws_and_prompts() -> None:
    rate, (low, high) = rate_with_interval(np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 0.0]]))
    assert rate == pytest.approx(3.5 / 6)
    assert 0.0 <= low <= rate <= high <= 1.0


def test_the_interval_is_over_prompts_and_not_answers() -> None:
    """Both draws of a prompt agree, so the spread is that of 100 prompts (sd .5 / 10 = .05), not of 200 answers."""
    one = np.tile([1.0, 0.0], 50)
    _, (low, high) = rate_with_interval(np.stack([one, one]))
    assert high - low == pytest.approx(2 * 1.96 * 0.05, rel=0.08)


def test_the_noisy_rate_is_the_mean_chance_of_being_preferred() -> None:
    chance = expected_win_rate(np.array([[4.0, 0.0]]), np.array([[0.0, 0.0]]), beta=0.5)
    assert chance == pytest.approx((1 / (1 + math.exp(-2.0)) + 0.5) / 2)


def test_within_prompt_std_ignores_what_differs_between_prompts() -> None:
    """Answers 0, 2 and 100, 102: variance around each prompt's own mean is ((1)^2 + (1)^2) / (2 - 1) = 2 for both."""
    assert within_prompt_std(np.array([[0.0, 100.0], [2.0, 102.0]])) == pytest.approx(math.sqrt(2.0))


def test_distinct_counts_bigrams_over_all_answers() -> None:
    assert distinct_n([[1, 2, 3]]) == 1.0
    assert distinct_n([[1, 2, 3], [1, 2, 3]]) == 0.5
    assert distinct_n([[7, 7, 7, 7]]) == pytest.approx(1 / 3)
    assert distinct_n([[1], []]) == 1.0


def test_best_of_one_has_no_kl_and_best_of_eight_about_1_2_nats() -> None:
    assert best_of_n_kl(1) == 0.0
    assert best_of_n_kl(8) == pytest.approx(math.log(8) - 7 / 8)


HEALTHY = {"win_rate": 0.65, "kl": 3.0, "distinct_2": 0.4, "distinct_2_start": 0.5, "unended": 0.02}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, False),
        ({"win_rate": 0.499}, True),
        ({"kl": 10.01}, True),
        ({"distinct_2": 0.249}, True),
        ({"unended": 0.21}, True),
        ({"win_rate": 0.5, "kl": 10.0, "distinct_2": 0.25, "unended": 0.2}, False),
    ],
)
def test_collapsed_by_each_of_the_four_rules(change: dict, expected: bool) -> None:
    assert is_collapsed(**(HEALTHY | change)) is expected
