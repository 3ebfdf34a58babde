# SPDX-License-Identifier: Apache-2.0
"""Intervals that stand beside rates and means."""

from __future__ import annotations

import math

import numpy as np
import pytest

from data import intervals
from data.intervals import bootstrap_counts, bootstrap_mean, bootstrap_share, wilson_interval


def test_wilson_agrees_with_the_worked_example():
    # z = 1.96, k = 8, n = 10: (0.8 + 0.19208 -+ 1.96 sqrt(0.016 + 0.009604)) / 1.38416 = (0.99208 -+ 0.31363) / 1.38416
    assert wilson_interval(8, 10) == pytest.approx((0.49015, 0.94331), abs=1e-4)


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (1, 1000), (0.5, 3)])
def test_wilson_stays_between_0_and_1_and_holds_the_rate(k, n):
    low, high = wilson_interval(k, n)
    assert 0 <= low <= k / n <= high <= 1


def test_no_trial_says_nothing():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert all(math.isnan(end) for end in bootstrap_mean([]))


def test_bootstrap_is_close_to_the_normal_interval_for_many_values():
    values = np.random.default_rng(1).normal(size=400)
    reach = 1.96 * values.std() / 20  # sqrt(400)
    low, high = bootstrap_mean(values, seed=2)
    assert low == pytest.approx(values.mean() - reach, abs=0.015)
    assert high == pytest.approx(values.mean() + reach, abs=0.015)


def test_bootstrap_is_the_same_for_the_same_seed():
    values = [1.0, 0.5, 0.0, 1.0]
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean([0.5, 0.5]) == (0.5, 0.5)


def test_values_that_repeat_have_the_interval_of_the_values_written_out():
    values, counts = [0.0, 0.5, 1.0], [300, 100, 600]
    written_out = bootstrap_mean(np.repeat(values, counts), seed=1)
    assert bootstrap_counts(values, counts, seed=2) == pytest.approx(written_out, abs=0.003)
    assert all(map(math.isnan, bootstrap_counts([], [])))


def test_resamples_come_in_blocks_and_are_those_of_one_call():
    shares = np.array([0.5, 0.3, 0.2])
    blocks = list(intervals.multinomial_draws(50, shares, 7, 250))
    assert [len(block) for block in blocks] == [100, 100, 50]
    assert (np.concatenate(blocks) == np.random.default_rng(7).multinomial(50, shares, size=250)).all()


def test_shares_are_weighted_by_how_often_each_outcome_occurs():
    low, high = bootstrap_share([1.0] * 300 + [0.0] * 100)
    reach = 1.96 * math.sqrt(0.75 * 0.25 / 400)  # normal interval of a share of 0.75 in 400 prompts
    assert (low, high) == pytest.approx((0.75 - reach, 0.75 + reach), abs=0.01)
    assert bootstrap_share([0.5, 1.0, 0.5, 0.0, 0.5]) == bootstrap_counts([0.0, 0.5, 1.0], [1, 3, 1])
    assert all(math.isnan(end) for end in bootstrap_share([]))
