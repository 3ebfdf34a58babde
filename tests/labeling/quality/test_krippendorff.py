# SPDX-License-Identifier: Apache-2.0
"""Krippendorff's alpha against the values that he published, and against the definition written out."""

from __future__ import annotations

import math
from itertools import permutations

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from data.intervals import Interval, multinomial_draws
from labeling.quality.krippendorff import DRAWS, alpha, bootstrap_interval

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section C: four observers, twelve units, missing
# data.
OBSERVERS = ("1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3", ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 .")
ONE = np.ones(12, dtype=np.int64)


def interval_of(counts: np.ndarray, weights: np.ndarray, level: str, seed: int = 0) -> Interval:
    units = int(weights.sum())
    return bootstrap_interval(counts, multinomial_draws(units, weights / units, seed, DRAWS), level)


def published() -> np.ndarray:
    counts = np.zeros((12, 5), dtype=np.int64)
    for observer in OBSERVERS:
        for unit, value in enumerate(observer.split()):
            if value != ".":
                counts[unit, int(value) - 1] += 1
    return counts


@pytest.mark.parametrize(("level", "value"), [("nominal", 0.743), ("ordinal", 0.815)])
def test_the_published_example_gives_the_published_alpha(level, value):
    assert alpha(published(), ONE, level) == pytest.approx(value, abs=5e-4)


@pytest.mark.parametrize("level", ["nominal", "ordinal"])
@pytest.mark.parametrize("seed", range(3))
def test_alpha_is_that_of_the_library(level, seed):
    counts = np.random.default_rng(seed).integers(0, 4, (30, 7))
    expected = krippendorff.alpha(value_counts=counts, level_of_measurement=level)
    assert alpha(counts, np.ones(30, np.int64), level) == pytest.approx(expected)


def test_perfect_agreement_is_one_and_the_opposite_is_below_zero():
    assert alpha(np.array([[2, 0], [0, 2]]), np.array([1, 1]), "nominal") == 1.0
    # every unit split: observed 1, expected n^2/2 / (n (n - 1)) with n = 4 is 2/3, so 1 - 1 / (2/3)
    assert alpha(np.array([[1, 1]]), np.array([2]), "nominal") == pytest.approx(-0.5)


def test_where_all_values_are_one_or_nothing_is_paired_there_is_no_alpha():
    assert math.isnan(alpha(np.array([[2, 0]]), np.array([5]), "nominal"))
    assert math.isnan(alpha(np.array([[1, 0], [0, 1]]), np.array([5, 5]), "ordinal"))
    assert all(map(math.isnan, interval_of(np.array([[2, 0]]), np.array([5]), "nominal")))


UNITS = st.lists(st.lists(st.integers(0, 3), max_size=5), min_size=1, max_size=12)


@given(UNITS, st.sampled_from(["nominal", "ordinal"]))
@settings(max_examples=40, deadline=None)
def test_it_is_the_definition_over_pairs_of_values(units, level):
    counts = np.array([[unit.count(value) for value in range(4)] for unit in units])
    computed = alpha(counts, np.ones(len(units), np.int64), level)
    paired = [unit for unit in units if len(unit) > 1]
    values = [value for unit in paired for value in unit]

    def difference(c: int, k: int) -> float:
        if level == "nominal":
            return float(c != k)
        low, high = min(c, k), max(c, k)
        between = sum(values.count(g) for g in range(low, high + 1))
        return (between - (values.count(c) + values.count(k)) / 2) ** 2

    n = len(values)
    observed = sum(sum(difference(c, k) for c, k in permutations(unit, 2)) / (len(unit) - 1) for unit in paired)
    expected = sum(difference(c, k) for c, k in permutations(values, 2))
    assert (
        math.isnan(computed)
        if expected == 0
        else computed == pytest.approx(1 - (n - 1) * observed / expected, abs=1e-9)
    )


@given(UNITS, st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_units_given_once_with_a_weight_are_units_given_so_often(units, times):
    counts = np.array([[unit.count(value) for value in range(4)] for unit in units])
    once = alpha(counts, np.full(len(units), times), "ordinal")
    often = alpha(np.repeat(counts, times, axis=0), np.ones(times * len(units), np.int64), "ordinal")
    assert once == pytest.approx(often, nan_ok=True)


@given(UNITS)
@settings(max_examples=20, deadline=None)
def test_nominal_alpha_does_not_know_the_values_names(units):
    counts = np.array([[unit.count(value) for value in range(4)] for unit in units])
    weights = np.ones(len(units), np.int64)
    assert alpha(counts, weights, "nominal") == pytest.approx(
        alpha(counts[:, [2, 0, 3, 1]], weights, "nominal"), nan_ok=True
    )


def test_the_interval_holds_the_value_and_narrows_with_more_units():
    few, many = (interval_of(published(), ONE * times, "ordinal", seed=3) for times in (1, 25))
    assert few.low < many.low < alpha(published(), ONE, "ordinal") < many.high < few.high
    assert interval_of(published(), ONE, "ordinal", seed=3) == few


def test_two_labelers_who_toss_coins_agree_no_more_than_chance():
    counts, weights = np.array([[2, 0], [1, 1], [0, 2]]), np.array([2500, 5000, 2500])
    interval = interval_of(counts, weights, "nominal")
    assert interval.low < 0 < interval.high
    # the standard error of alpha is 1 / sqrt(units) here, as of a correlation
    assert interval.high - interval.low == pytest.approx(2 * 1.96 / 100, rel=0.15)


@given(UNITS)
@settings(max_examples=20, deadline=None)
def test_alpha_is_at_most_one(units):
    counts = np.array([[unit.count(value) for value in range(4)] for unit in units])
    computed = alpha(counts, np.ones(len(units), np.int64), "ordinal")
    assume(not math.isnan(computed))
    assert computed <= 1


def test_units_that_are_all_alike_have_no_interval():
    counts = np.array([[1, 1]])  # one pattern: two labelers who prefer different answers
    low, high = bootstrap_interval(counts, multinomial_draws(12, np.array([1.0]), 0, DRAWS), "nominal")
    assert alpha(counts, np.array([12.0]), "nominal") == pytest.approx(1 - 23 * 24 / (2 * 12 * 12))  # n = 24
    assert math.isnan(low)
    assert math.isnan(high)
