# SPDX-License-Identifier: Apache-2.0
"""Reliability, ECE and temperature scaling on log-odds whose probabilities can be read off."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reward.report.calibration import (
    calibration_report,
    cross_entropy,
    ece_if_calibrated,
    expected_calibration_error,
    fit_temperature,
    folds,
    reliability,
    scaled,
    sigmoid,
)
from reward.report.scored import ScoredComparison

LN3, LN9 = math.log(3), math.log(9)  # sigmoid(ln 3) = 3/4, sigmoid(ln 9) = 9/10


def judged(prompt_id, difference, label):
    return ScoredComparison(prompt_id, "p", "a", "b", difference, 0.0, label, 2)


def comparisons(difference, right, wrong, first_prompt=0):
    """So many comparisons with that difference which the labeler decided for a (right) and for b (wrong)."""
    return [judged(first_prompt + n, difference, float(n < right)) for n in range(right + wrong)]


def test_the_sigmoid_is_exact_and_never_overflows():
    assert sigmoid(np.array([LN3, -LN3, 1e4, -1e4])).tolist() == pytest.approx([0.75, 0.25, 1, 0])


def test_equal_scores_lose_ln_2_and_a_tie_counts_half_each_way():
    assert cross_entropy(np.zeros(3), np.array([1.0, 0.0, 0.5])) == pytest.approx(math.log(2))
    assert cross_entropy(np.array([LN3]), np.array([0.5])) == pytest.approx(-(math.log(3 / 4) + math.log(1 / 4)) / 2)


def test_each_bin_sets_the_predicted_beside_the_observed_share_from_the_preferred_side():
    (result,) = reliability(np.array([LN9, -LN9, LN9, -LN9]), np.array([1.0, 0.0, 0.0, 0.0]), np.arange(4))
    assert (result["low"], result["high"]) == pytest.approx((0.9, 0.95))
    assert (result["predicted"], result["observed"], result["comparisons"]) == (pytest.approx(0.9), 0.75, 4)
    assert result["ci"][0] < 0.75 < result["ci"][1]


def test_a_tie_and_equal_scores_are_observed_as_a_half():
    (result,) = reliability(np.array([LN3]), np.array([0.5]), np.arange(1))
    assert result["observed"] == 0.5
    (result,) = reliability(np.zeros(2), np.ones(2), np.arange(2))
    assert (result["predicted"], result["observed"]) == (0.5, 0.5)


def test_ece_weighs_the_gap_of_each_bin_by_its_comparisons():
    difference, label = np.array([LN9] * 4 + [LN3] * 2), np.array([1, 1, 0, 0, 1, 1.0])
    bins = reliability(difference, label, np.arange(6))
    assert expected_calibration_error(bins) == pytest.approx(4 / 6 * (0.9 - 0.5) + 2 / 6 * (1 - 0.75))


def test_the_ece_of_a_calibrated_model_is_what_chance_leaves():
    # One comparison at 3/4 misses by 1/4 three times in four, by 3/4 else: 3/8 on average.
    assert ece_if_calibrated(np.array([LN3])) == pytest.approx(3 / 8, abs=0.03)
    # 10,000 miss by the mean deviation of a share, sqrt(2/pi) times its standard error.
    assert ece_if_calibrated(np.full(10_000, LN3)) == pytest.approx(
        math.sqrt(2 / math.pi) * math.sqrt(0.75 * 0.25 / 10_000), rel=0.1
    )


def test_the_temperature_brings_the_confidence_to_the_share_that_is_right():
    # 3 of 4 are right, so ln 9 over the temperature is to be ln 3: the temperature is 2.
    assert fit_temperature(np.full(4, LN9), np.array([1, 1, 1, 0.0])) == pytest.approx(2)
    assert fit_temperature(np.full(4, LN3), np.array([1, 1, 1, 0.0])) == pytest.approx(1)
    assert fit_temperature(np.full(10, LN3), np.array([1] * 9 + [0.0])) == pytest.approx(0.5)


@pytest.mark.parametrize("label", [[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 1]], ids=["never wrong", "a coin", "worse"])
def test_there_is_no_temperature_where_the_minimum_lies_at_an_end(label):
    assert fit_temperature(np.full(4, LN9), np.array(label, float)) is None


def test_the_temperature_is_fitted_on_validation_comparisons_where_there_are_twenty():
    validation = comparisons(LN9, 15, 5)
    test = comparisons(LN9, 10, 90, first_prompt=100)
    after, temperature, fitted_on = scaled(test, validation)
    assert temperature == pytest.approx(2)
    assert after.tolist() == pytest.approx([LN3] * 100)
    assert fitted_on == "20 comparisons of validation prompts"


def test_without_them_each_fold_is_scaled_by_the_others():
    test = comparisons(LN9, 15, 10)
    after, temperature, fitted_on = scaled(test)
    fold = folds(np.arange(25))
    label = np.array([each.label for each in test])
    for k in range(5):
        others = label[fold != k].mean()
        assert after[fold == k].tolist() == pytest.approx([math.log(others / (1 - others))] * 5)
    logits = [math.log(label[fold != k].mean() / (1 - label[fold != k].mean())) for k in range(5)]
    assert temperature == pytest.approx(math.exp(np.mean([math.log(LN9 / logit) for logit in logits])))
    assert "cross-fitted" in fitted_on


def test_a_prompt_lies_in_one_fold_and_folds_are_even():
    fold = folds(np.repeat(np.arange(20), 3))
    assert all(len(set(fold[3 * prompt : 3 * prompt + 3])) == 1 for prompt in range(20))
    assert np.bincount(fold).tolist() == [12] * 5


def test_scaling_an_overconfident_model_lowers_ece_and_loss():
    result = calibration_report(comparisons(LN9, 75, 25), comparisons(LN9, 30, 10, first_prompt=500))
    assert result["ece"] == pytest.approx(0.9 - 0.75)
    assert result["ece_scaled"] == pytest.approx(0)
    assert result["loss_scaled"] == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))


def test_where_no_temperature_can_be_fitted_the_scaled_figures_are_unknown():
    result = calibration_report(comparisons(LN9, 5, 0))
    assert [result[key] for key in ("temperature", "ece_scaled", "loss_scaled", "calibration_scaled")] == [None] * 4
    assert result["ece"] == pytest.approx(0.1)
