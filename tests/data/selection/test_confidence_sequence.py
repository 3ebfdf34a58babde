# SPDX-License-Identifier: Apache-2.0
"""The interval that holds at every look: against derived numbers, and by simulation with a look after every value."""

from __future__ import annotations

import math

import numpy as np
import pytest

from data.selection.confidence_sequence import evidence_below_half, is_decided, log_capital, sequential_interval

FIXED, DRAWS = 100, 2000
"""Pairs without early stopping, and simulated judgings."""


def judgings(win_rate: float, ties: float, draws: int = DRAWS) -> np.ndarray:
    """Return (draws, FIXED) outcomes: wins 1, losses 0, and a share of ties at one half."""
    win = win_rate - ties / 2
    return np.random.default_rng(7).choice([1.0, 0.5, 0.0], (draws, FIXED), p=[win, ties, 1 - win - ties])


def stops(outcomes: np.ndarray) -> np.ndarray:
    """Return after how many values each row is decided, with a look after each; infinite if never."""
    decided: dict[tuple[int, int], bool] = {}
    numbers = np.full(len(outcomes), np.inf)
    for row, values in enumerate(outcomes):
        wins, losses = np.cumsum(values == 1), np.cumsum(values == 0)  # ties at one half multiply the capital by 1
        for count, at in enumerate(zip(wins.tolist(), losses.tolist(), strict=True), 1):
            if at not in decided:
                decided[at] = is_decided([1.0] * at[0] + [0.0] * at[1])
            if decided[at]:
                numbers[row] = count
                break
    return numbers


def test_the_capital_against_one_half_is_the_beta_integral():
    """At m = 1/2 a win multiplies by 2 p, a loss by 2 (1 - p). With the density 6 p (1 - p) of Beta(2, 2), three wins
    give 8 * 6 B(5, 2) = 48 / 30, and two wins and a loss 8 * 6 B(4, 3) = 48 / 60."""
    assert log_capital([1, 1, 1], 0.5) == pytest.approx(math.log(48 / 30), abs=1e-3)
    assert log_capital([1, 0, 1], 0.5) == pytest.approx(math.log(48 / 60), abs=1e-3)


def test_a_tie_says_nothing_against_one_half():
    assert log_capital([0.5] * 50, 0.5) == pytest.approx(0, abs=1e-12)
    assert log_capital([1, 1, 1, 0.5], 0.5) == pytest.approx(log_capital([1, 1, 1], 0.5))


def test_the_expected_capital_is_1_whatever_the_values():
    """A martingale: over the eight sequences of three values with mean .3, weighted by their probabilities."""
    sequences = [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    expected = sum(0.3 ** sum(x) * 0.7 ** (3 - sum(x)) * math.exp(log_capital(x, 0.3)) for x in sequences)
    assert expected == pytest.approx(1)


def test_nine_wins_in_a_row_decide_and_eight_do_not():
    """The limit is 1 / .05 = 20. 2^n * 6 B(n + 2, 2) = 6 * 2^n / ((n + 2)(n + 3)): 384 / 72 = 5.3 for n = 6, 768 / 90 = 8.5 for 7, 1536 / 110 = 14
    for 8, 3072 / 132 = 23.3 for 9."""
    assert [is_decided([1.0] * n) for n in (8, 9)] == [False, True]
    assert [is_decided([0.0] * n) for n in (8, 9)] == [False, True]


def test_the_interval_holds_the_mean_and_excludes_one_half_when_decided():
    for values in ([], [1.0], [0.5], [0.0] * 9, [1.0] * 30 + [0.0] * 10, [0.5] * 20, [0.25, 0.75, 1.0, 0.5]):
        low, high = sequential_interval(values)
        mean = np.mean(values) if values else 0.5
        assert 0 <= low <= mean <= high <= 1
        assert (low > 0.5 or high < 0.5) == is_decided(values)


def test_the_interval_is_mirrored_with_the_values():
    low, high = sequential_interval([1.0] * 12 + [0.5] * 3 + [0.0] * 5)
    assert sequential_interval([0.0] * 12 + [0.5] * 3 + [1.0] * 5) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_the_interval_covers_the_truth_at_every_look_at_once():
    truth = 0.7
    missed = sum(
        any(log_capital(row[:n], truth) >= math.log(20) for n in range(1, 61)) for row in judgings(truth, 0.1, 300)
    )
    assert missed <= 0.05 * 300


def test_the_bettors_who_begin_with_a_batch_have_the_mean_capital():
    """For means below one half a loss alone has the capital of all p below: 2 * 6 int_0^.5 2 (1 - p) p (1 - p) dp = 11 / 8.

    Two batches of one loss, of 4: the first bettor saw both, with 2 * 6 int 4 (1 - p)^2 p (1 - p) dp = 48 * 13 / 320.
    """
    assert evidence_below_half([], 4) == 1
    assert evidence_below_half([[0.0]], 4) == pytest.approx((11 / 8 + 3) / 4, abs=1e-3)
    assert evidence_below_half([[0.0], [0.0]], 4) == pytest.approx((48 * 13 / 320 + 11 / 8 + 2) / 4, abs=1e-3)


def test_a_fall_is_found_in_spite_of_the_success_before_it():
    assert evidence_below_half([[1.0] * 20, [0.0] * 20], 2) > 20 > evidence_below_half([[1.0] * 20 + [0.0] * 20], 1)


def test_a_look_after_every_pair_seldom_decides_between_equal_policies():
    for ties in (0.0, 0.15):
        assert np.isfinite(stops(judgings(0.5, ties))).mean() <= 0.05


@pytest.mark.parametrize(("win_rate", "most"), [(0.65, 85), (0.75, 35)])
def test_a_clear_winner_needs_fewer_pairs_than_a_fixed_hundred(win_rate, most):
    assert np.median(stops(judgings(win_rate, 0.0))) <= most
