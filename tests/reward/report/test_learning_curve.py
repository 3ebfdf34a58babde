# SPDX-License-Identifier: Apache-2.0
"""The learning curve: nested subsets, the power law, and a forecast that is silent where nothing can be told."""

from __future__ import annotations

import numpy as np
import pytest

from reward.report.learning_curve import (
    Point,
    curve_report,
    fit_power_law,
    highest_accuracy,
    nested_subsets,
    no_forecast_reason,
)

SIZES = (125, 250, 500, 1000)


def points_of(shares, tested=400):
    """Points of a test set with one comparison a prompt, of which the first share is right."""
    return [
        Point(size, (np.arange(tested) < round(share * tested)).astype(float))
        for size, share in zip(SIZES, shares, strict=True)
    ]


def test_a_smaller_subset_lies_in_every_larger_one():
    prompts = np.repeat(np.arange(80), 3)
    subsets = nested_subsets(prompts, (1 / 8, 1 / 4, 1 / 2))
    assert [len(subset) for subset in subsets] == [30, 60, 120]
    assert all(set(small) < set(large) for small, large in zip(subsets, subsets[1:], strict=False))


def test_a_prompt_is_wholly_in_or_out():
    prompts = np.array([0] * 7 + [1] * 2 + [2] * 5 + [3] * 6)
    for subset in nested_subsets(prompts, (0.1, 0.3, 0.6)):
        taken = set(prompts[subset])
        assert sorted(subset) == [row for row, prompt in enumerate(prompts) if prompt in taken]


def test_a_subset_holds_at_least_its_share_and_no_prompt_too_many():
    assert [len(subset) for subset in nested_subsets(range(10), (0.1, 0.25, 0.5, 1.0))] == [1, 3, 5, 10]


def test_the_fit_finds_the_law_that_made_the_points():
    labels = np.array(SIZES, float)
    rate = np.geomspace(0.05, 2, 40)[25]  # on the grid, so that the fit can be exact
    law = fit_power_law(labels, (0.8 - 2 * labels**-rate)[None])
    assert law.a[0] == pytest.approx(0.8)
    assert law.c[0] == pytest.approx(rate)
    assert law.at(4000)[0] == pytest.approx(0.8 - 2 * 4000**-rate)


def test_off_the_grid_the_fit_is_as_good_as_the_grid_is_fine():
    labels = np.array(SIZES, float)
    assert fit_power_law(labels, (0.8 - 2 * labels**-0.5)[None]).at(2000)[0] == pytest.approx(
        0.8 - 2 * 2000**-0.5, abs=1e-3
    )


def test_the_ceiling_bounds_what_the_curve_can_reach():
    labels = np.array(SIZES, float)
    straight = np.array([[0.6, 0.65, 0.7, 0.75]])  # a line in log n: without a bound it leaves the page
    assert fit_power_law(labels, straight, 0.78).at(1e9)[0] <= 0.78
    assert fit_power_law(labels, straight).at(1e9)[0] > 0.78


def test_a_falling_curve_is_fitted_as_a_flat_one():
    law = fit_power_law(np.array(SIZES, float), np.array([[0.7, 0.69, 0.68, 0.67]]))
    assert (law.a[0], law.b[0]) == (pytest.approx(0.685), 0)


def test_accuracies_above_the_ceiling_are_held_at_it():
    law = fit_power_law(np.array(SIZES, float), np.array([[0.9, 0.9, 0.9, 0.9]]), 0.8)
    assert (law.a[0], law.b[0]) == (0.8, 0)


def test_every_fit_of_many_is_the_fit_of_its_own_row():
    labels, rows = (
        np.array(SIZES, float),
        np.array([[0.6, 0.64, 0.7, 0.72], [0.7, 0.7, 0.7, 0.7], [0.5, 0.6, 0.7, 0.8]]),
    )
    together = fit_power_law(labels, rows, 0.85)
    for row in range(3):
        alone = fit_power_law(labels, rows[row : row + 1], 0.85)
        assert together.at(1300)[row] == pytest.approx(alone.at(1300)[0])


def test_two_labelers_who_agree_on_68_of_100_leave_room_up_to_80():
    assert highest_accuracy(0.68) == pytest.approx(0.8)
    assert highest_accuracy(1.0) == 1.0
    assert highest_accuracy(0.4) == 0.5


def test_a_rising_curve_gives_a_forecast_with_intervals():
    result = curve_report(points_of((0.55, 0.62, 0.68, 0.72)), range(400), 0.85)
    assert [point["labels"] for point in result["points"]] == list(SIZES)
    assert [point["accuracy"] for point in result["points"]] == pytest.approx([0.55, 0.62, 0.68, 0.72])
    assert [each["labels"] for each in result["forecast"]] == [1100, 1300, 2000]
    accuracies = [each["accuracy"] for each in result["forecast"]]
    assert accuracies == sorted(accuracies)
    assert accuracies[-1] <= 0.85
    for each in result["forecast"]:
        assert each["ci"][0] <= each["accuracy"] <= each["ci"][1]
        assert each["gain"] >= 0
    assert result["note"] is None


def test_a_curve_that_may_be_flat_gives_none_and_says_so():
    result = curve_report(points_of((0.70, 0.69, 0.71, 0.70)), range(400))
    assert (result["fit"], result["forecast"]) == (None, [])
    assert "no forecast" in result["note"]
    assert len(result["points"]) == 4


def test_too_few_test_prompts_or_sizes_give_none():
    few = [Point(size, np.array([1.0, 0.0])) for size in SIZES]
    assert "18 more test prompts with labels are needed (2 of 20)" in no_forecast_reason(few, [1, 2], np.zeros((5, 4)))
    assert "4 sizes" in no_forecast_reason(points_of((0.5, 0.6, 0.7, 0.8))[:3], range(400), np.zeros((5, 3)))


def test_nothing_is_foretold_beyond_four_times_the_labels():
    points = [
        Point(size // 5, point.outcomes) for size, point in zip(SIZES, points_of((0.55, 0.62, 0.68, 0.72)), strict=True)
    ]
    forecast = curve_report(points, range(400))["forecast"]
    assert [each["accuracy"] is None for each in forecast] == [
        False,
        False,
        True,
    ]  # 300, 500 and 1,200 labels in place of 200
