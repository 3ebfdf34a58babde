# SPDX-License-Identifier: Apache-2.0
"""Losses of score differences against numpy, and the limits between grades that are learned with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reward.training.likelihood import BradleyTerry, CutPoints, build_likelihood
from reward.training.losses import between, bradley_terry, centring, limits, mean_of_groups

DIFFERENCES = np.array([-30.0, -4.0, -0.3, 0.0, 0.7, 2.5, 30.0])


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, float)))


def tensor(values):
    return torch.tensor(np.asarray(values, float))


@pytest.mark.parametrize("label", [1.0, 0.5, 0.0])
def test_bradley_terry_counts_a_tie_half_for_each_side(label):
    expected = label * np.logaddexp(0, -DIFFERENCES) + (1 - label) * np.logaddexp(0, DIFFERENCES)
    assert bradley_terry(tensor(DIFFERENCES), torch.tensor(label)).numpy() == pytest.approx(expected)


@pytest.mark.parametrize(("lower", "upper"), [(-np.inf, 0.0), (0.0, np.inf), (-0.4, 0.4), (0.4, 1.9), (-np.inf, -2.0)])
def test_an_outcome_has_the_logistic_mass_between_its_limits(lower, upper):
    d = DIFFERENCES[1:-1]
    expected = -np.log(sigmoid(upper - d) - sigmoid(lower - d))
    assert between(tensor(d), tensor(lower), tensor(upper)).numpy() == pytest.approx(expected)


def test_far_from_its_limits_an_outcome_still_has_a_loss_and_a_gradient():
    d = torch.tensor([-200.0, 200.0], requires_grad=True)
    loss = between(d, torch.tensor(0.5), torch.tensor(torch.inf))
    loss.sum().backward()
    assert loss.tolist() == pytest.approx([200.5, 0.0])
    assert d.grad.tolist() == pytest.approx([-1.0, 0.0])


def test_two_limits_are_rao_kupper():
    theta, better, worse = 1.8, np.exp(0.9), np.exp(-0.3)
    ends = limits(torch.tensor([np.log(theta)]), ties=True)
    chances = torch.exp(-between(torch.full((3,), 1.2, dtype=ends.dtype), ends[:-1], ends[1:]))
    win = better / (better + theta * worse)
    loss = worse / (worse + theta * better)
    tie = (theta**2 - 1) * better * worse / ((better + theta * worse) * (theta * better + worse))
    assert chances.tolist() == pytest.approx([loss, tie, win])


@pytest.mark.parametrize("ties", [True, False])
def test_the_chances_of_all_outcomes_sum_to_one(ties):
    ends = limits(torch.tensor([0.3, 1.1, 2.0], dtype=torch.float64), ties)
    for d in DIFFERENCES:
        assert torch.exp(-between(tensor(d), ends[:-1], ends[1:])).sum().item() == pytest.approx(1.0)


def test_a_ranking_of_four_weighs_as_much_as_one_comparison():
    loss = torch.tensor([6.0, 1.0, 2.0, 3.0, 4.0, 5.0, 9.0])
    assert mean_of_groups(loss, torch.tensor([0, 1, 1, 1, 1, 1, 1])).item() == pytest.approx((6 + 24 / 6) / 2)


def test_centring_is_the_squared_sum():
    assert centring(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 2.0])).tolist() == [2.25, 0.0]


GRADES = [0, 0, 1, -1, 1, 2, 2, -2, 3, 3]
"""As many comparisons of each size as make the shares 0.2, 0.3, 0.3, 0.2."""


def chances(found, grades):
    return torch.exp(-found(torch.zeros(len(grades)), torch.tensor(grades))).tolist()


def test_points_start_where_equal_scores_give_the_labels_their_shares():
    assert chances(build_likelihood("graded", GRADES), [0, 1, -1, 2, -2, 3, -3]) == pytest.approx(
        [0.2, 0.15, 0.15, 0.15, 0.15, 0.1, 0.1], abs=1e-6
    )
    assert chances(build_likelihood("rao-kupper", GRADES), [0, 1, -3]) == pytest.approx([0.2, 0.4, 0.4], abs=1e-6)
    without_ties = build_likelihood("graded", [grade for grade in GRADES if grade])
    assert chances(without_ties, [1, -2, 3]) == pytest.approx([3 / 16, 3 / 16, 2 / 16], abs=1e-6)


def test_at_the_start_no_point_wants_to_move():
    result = build_likelihood("graded", GRADES)
    result(torch.zeros(len(GRADES)), torch.tensor(GRADES)).mean().backward()
    assert result.raw.grad.abs().max().item() < 1e-5


def test_points_follow_the_labels_when_scores_are_spread():
    """Labels are drawn by limits at 0.8 and 2; learning from the true differences finds them again."""
    chance = np.random.default_rng(0)
    d = chance.normal(scale=2.0, size=4000)
    latent = d + chance.logistic(size=4000)
    grade = torch.tensor(
        np.sign(latent) * ((np.abs(latent) > 0.8).astype(int) + (np.abs(latent) > 2.0)), dtype=torch.long
    )
    result = build_likelihood("graded", grade.tolist())
    optimizer = torch.optim.Adam(result.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        result(torch.tensor(d, dtype=torch.float32), grade).mean().backward()
        optimizer.step()
    assert result.cut_points() == pytest.approx([0.8, 2.0], abs=0.15)


@pytest.mark.parametrize(
    ("name", "grades"), [("rao-kupper", [1, -2, 3]), ("graded", [2, -2]), ("bradley-terry", GRADES), ("graded", [0, 0])]
)
def test_without_a_point_to_learn_it_is_bradley_terry(name, grades):
    assert isinstance(build_likelihood(name, grades), BradleyTerry)


def test_grades_that_do_not_occur_are_no_outcome():
    assert len(CutPoints([3, -3, 0, 3], graded=True).cut_points()) == 1
