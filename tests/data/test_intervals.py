# SPDX-License-Identifier: Apache-2.0
"""Intervals that stand beside rates and means."""

from __future__ import annotations

import math

import numpy as np
import pytest

from data import intervals
from data.intervals import ratio_interval, share_interval, shown_interval, wilson_interval


def test_wilson_agrees_with_the_worked_example():
    # z = 1.96, k = 8, n = 10: (0.8 + 0.19208 -+ 1.96 sqrt(0.016 + 0.009604)) / 1.38416 = (0.99208 -+ 0.31363) / 1.38416
    assert wilson_interval(8, 10) == pytest.approx((0.49015, 0.94331), abs=1e-4)


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (1, 1000), (0.5, 3)])
def test_wilson_stays_between_0_and_1_and_holds_the_rate(k, n):
    low, high = wilson_interval(k, n)
    assert 0 <= low <= k / n <= high <= 1


def test_no_trial_says_nothing():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert all(math.isnan(end) for end in share_interval([]))


def test_many_shares_have_the_normal_interval_of_their_mean():
    values = np.random.default_rng(1).random(4000)
    reach = 1.96 * values.std() / math.sqrt(4000)
    assert share_interval(values) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=3e-4)


def test_wins_and_losses_have_nearly_wilsons_interval():
    """The design effect of 30 binary outcomes is 30/29, and one unit of effect 1 is added: (30/29 * 29 + 1) / 30 = 31/30."""
    expected = wilson_interval(24 * 30 / 31, 30 * 30 / 31)
    assert share_interval([1.0] * 24 + [0.0] * 6) == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("n", [1, 2, 5, 100])
def test_equal_outcomes_have_an_interval_that_holds_their_share(value, n):
    low, high = share_interval([value] * n)
    assert low <= value <= high
    assert high - low > 0.4 / n


def test_units_that_repeat_have_the_interval_of_the_units_written_out():
    sums, sizes, counts = np.array([0.0, 1.0, 2.5]), np.array([1, 2, 4]), np.array([30, 10, 60])
    written_out = ratio_interval(np.repeat(sums, counts), np.repeat(sizes, counts))
    assert ratio_interval(sums, sizes, counts) == pytest.approx(written_out)


def test_comparisons_that_agree_within_their_prompt_count_as_one():
    ten = ratio_interval([4.0] * 5 + [0.0] * 5, [4] * 10)
    assert ten == pytest.approx(share_interval([1.0] * 5 + [0.0] * 5))


def test_resamples_come_in_blocks_and_are_those_of_one_call():
    shares = np.array([0.5, 0.3, 0.2])
    blocks = list(intervals.multinomial_draws(50, shares, 7, 250))
    assert [len(block) for block in blocks] == [100, 100, 50]
    assert (np.concatenate(blocks) == np.random.default_rng(7).multinomial(50, shares, size=250)).all()


def test_a_stored_interval_of_width_zero_is_computed_again_from_the_counts():
    assert shown_interval(1.0, [1.0, 1.0], 20) == wilson_interval(20, 20)
    assert shown_interval(1.0, [1.0, 1.0]) is None
    assert shown_interval(0.5, [0.4, 0.6], 20) == [0.4, 0.6]
    assert shown_interval(0.5, None, 20) is None
