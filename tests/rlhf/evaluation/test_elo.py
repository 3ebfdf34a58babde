# SPDX-License-Identifier: Apache-2.0
"""Elo ratings: against the library choix, on a known scale, and for ties and unlinked policies."""

from __future__ import annotations

import math

import choix
import numpy as np
import pytest

from data.views.head_to_head import HeadToHead
from rlhf.evaluation.elo import PRIOR, bradley_terry_strengths, elo_ratings


@pytest.mark.parametrize("seed", range(3))
def test_strengths_are_those_of_choix(seed):
    wins = np.random.default_rng(seed).integers(0, 9, (6, 6)).astype(float)
    np.fill_diagonal(wins, 0)
    # the prior as one more opponent, of strength 1
    with_prior = np.full((7, 7), PRIOR)
    with_prior[:6, :6], with_prior[6, 6] = wins, 0
    expected = choix.ilsr_pairwise_dense(with_prior)[:6]
    assert bradley_terry_strengths(wins[None])[0] == pytest.approx(expected - expected.mean(), abs=1e-4)


def wins(first, second, won, lost, prompt=0):
    return [HeadToHead(prompt + n, first, second, 1.0, 1) for n in range(won)] + [
        HeadToHead(prompt + won + n, first, second, 0.0, 1) for n in range(lost)
    ]


def test_ratings_are_log_odds_on_the_elo_scale():
    """p3 beats p2 three times in four and p2 beats p1 three times in four: 400 log10 3 = 190.8 points each; the prior takes little of it."""
    strengths = elo_ratings(wins(2, 1, 300, 100) + wins(2, 3, 100, 300, prompt=400), reference=1)
    assert [rating.policy_id for rating in strengths] == [3, 2, 1]
    step = 400 * math.log10(3)
    assert [rating.points for rating in strengths] == [pytest.approx(2 * step, abs=6), pytest.approx(step, abs=3), 0.0]
    assert all(rating.low <= rating.points <= rating.high for rating in strengths)
    assert [rating.comparisons for rating in strengths] == [400, 800, 400]


def test_a_tie_is_half_a_win_for_both():
    strengths = elo_ratings([HeadToHead(n, 1, 2, 0.5, 1) for n in range(10)], reference=1)
    assert [rating.points for rating in strengths] == [0.0, pytest.approx(0.0)]


def test_an_unbeaten_policy_has_a_rating_and_an_unlinked_one_has_none():
    strengths = elo_ratings([*wins(2, 1, 5, 0), *wins(8, 9, 3, 3, prompt=50)], reference=1)
    assert [rating.policy_id for rating in strengths] == [2, 1]
    assert 0 < strengths[0].points < 2000
    assert elo_ratings(wins(8, 9, 3, 3), reference=1) == []


def test_two_equal_outcomes_do_not_give_an_interval_of_width_zero():
    best = elo_ratings(wins(2, 1, 2, 0), reference=1)[0]
    assert best.low < 0 < best.points < best.high


def test_comparisons_of_one_prompt_count_less_than_those_of_many():
    many = elo_ratings([HeadToHead(n, 2, 1, float(n % 4 > 0), 1) for n in range(40)], reference=1)[0]
    few = elo_ratings([HeadToHead(n, 2, 1, 10.0 * (n > 0), 10) for n in range(4)], reference=1)[0]
    assert few.points == pytest.approx(many.points)  # 30 of 40 won by both
    assert few.high - few.low > 1.5 * (many.high - many.low)


@pytest.mark.parametrize("prompts", [20, 100])
@pytest.mark.parametrize("policies", [2, 4])
def test_the_interval_of_a_rating_covers_the_truth(policies, prompts):
    """600 simulated tournaments, log-odds of a standard normal: with 20 prompts the intervals are a little wide."""
    generator = np.random.default_rng(prompts)
    covered, total = 0, 0
    for _ in range(600):
        strengths = generator.normal(size=policies)
        contests = []
        for prompt in range(prompts):
            first, second = generator.choice(policies, 2, replace=False)
            chance = 1 / (1 + math.exp(strengths[second] - strengths[first]))
            contests.append(HeadToHead(prompt, int(first), int(second), float(generator.random() < chance), 1))
        for rating in elo_ratings(contests, reference=0):
            truth = 400 / math.log(10) * (strengths[rating.policy_id] - strengths[0])
            covered += rating.policy_id != 0 and rating.low <= truth <= rating.high
            total += rating.policy_id != 0
    assert 0.93 <= covered / total <= 0.985
