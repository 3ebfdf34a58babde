# SPDX-License-Identifier: Apache-2.0
"""The fit of heads: the penalised minimum, a penalty chosen by held-out prompts, and priors that leave what is unknown."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from reward.heads.fit import PENALTIES, Comparisons, comparison_loss, fit_heads, minimise

NO_PRIOR = torch.zeros(1, 6, dtype=torch.float64)


def comparisons(count: int, seed: int = 0, noise: float = 1.0, width: int = 6) -> Comparisons:
    """Random answers that people prefer by their first feature; `noise` 0 makes every label right."""
    rng = np.random.default_rng(seed)
    first, second = (torch.tensor(rng.normal(size=(count, width)), dtype=torch.float32) for _ in range(2))
    perceived = 3 * (first - second)[:, 0].numpy() + noise * rng.logistic(size=count)
    return Comparisons.of(first, second, torch.tensor(perceived > 0).float(), torch.ones(count))


def test_a_head_is_the_penalised_logistic_regression_of_scikit_learn():
    data = comparisons(80)
    differences = data.differences.double()
    theirs = LogisticRegression(C=1 / 30, fit_intercept=False, tol=1e-10, max_iter=1000)
    theirs.fit(differences.numpy(), data.labels.numpy().astype(int))
    ours = minimise(differences, data.labels, data.weights, 30.0, NO_PRIOR)
    assert ours[0].tolist() == pytest.approx(theirs.coef_[0].tolist(), abs=1e-5)


def test_a_tie_is_half_a_win_for_each_and_a_weight_counts_as_repetitions():
    """One comparison of weight 2 has the gradient of two of weight 1; a tie that of a win and a loss of weight 1/2."""
    x = torch.tensor([[1.0, 0, 0, 0, 0, 0], [0.5, 1, 0, 0, 0, 0]], dtype=torch.float64)
    ones = torch.ones(2)
    weighted = minimise(x, torch.tensor([1.0, 0.5]), torch.tensor([2.0, 1.0]), 1.0, NO_PRIOR)
    written_out = minimise(x[[0, 0, 1, 1]], torch.tensor([1.0, 1, 1, 0]), torch.tensor([1, 1, 0.5, 0.5]), 1.0, NO_PRIOR)
    assert weighted[0].tolist() == pytest.approx(written_out[0].tolist(), abs=1e-6)
    assert weighted[0, 0] > minimise(x, torch.tensor([1.0, 0.5]), ones, 1.0, NO_PRIOR)[0, 0]


def test_the_loss_of_scores_that_say_nothing_is_ln_2_and_that_of_odds_of_three_is_their_logarithm():
    """A difference of ln 3 predicts 3/4: -ln(3/4) where that is right, -ln(1/4) where it is not; weights 1 and 3."""
    assert comparison_loss(torch.zeros(4), torch.tensor([0.0, 1, 0.5, 1]), torch.ones(4)) == pytest.approx(math.log(2))
    margins = torch.tensor([math.log(3), math.log(3)])
    expected = (-math.log(0.75) - 3 * math.log(0.25)) / 4
    assert comparison_loss(margins, torch.tensor([1.0, 0.0]), torch.tensor([1.0, 3.0])) == pytest.approx(expected)


def test_random_labels_choose_the_largest_penalty_and_clean_ones_a_small_one():
    clean = comparisons(200, noise=0.0)
    coin = replace(clean, labels=torch.tensor([0.0, 1.0]).repeat(100))
    assert fit_heads(clean, list(range(200))).penalty == min(PENALTIES)
    assert fit_heads(coin, list(range(200))).penalty == max(PENALTIES)


def test_a_head_learns_from_thirty_labels_what_decides():
    fitted = fit_heads(comparisons(30), list(range(30)))
    unseen = comparisons(500, seed=1, noise=0.0)
    right = (unseen.differences @ fitted.heads[0] > 0) == (unseen.labels > 0.5)
    assert right.float().mean() > 0.8
    assert 0 < fitted.held_out_loss < math.log(2)


def test_comparisons_of_one_prompt_never_judge_each_other():
    """Four copies of each comparison with a coin's label: if copies were held out one by one, the label would leak."""
    once = comparisons(40, width=40)
    coin = torch.tensor(np.random.default_rng(3).integers(0, 2, 40)).float()
    prompts = [prompt for prompt in range(40) for _ in range(4)]
    copies = replace(once, labels=coin).take(prompts)
    assert fit_heads(copies, prompts).held_out_loss > math.log(2) - 0.01
    assert fit_heads(copies, list(range(160))).held_out_loss < math.log(2) - 0.1


def test_members_agree_where_there_are_labels_and_differ_elsewhere():
    """The labels are about answers that vary in the first three features only; unseen ones vary in the others too."""
    known = comparisons(300)
    known.differences[:, 3:] = 0.0
    fitted = fit_heads(known, list(range(300)), members=20, seed=5)
    unseen = comparisons(300, seed=9)
    spread = [torch.sigmoid(data.differences @ fitted.heads.T).var(dim=1).mean() for data in (known, unseen)]
    assert spread[0] < spread[1] / 2
    assert torch.equal(fitted.heads, fit_heads(known, list(range(300)), members=20, seed=5).heads)
    assert not torch.equal(fitted.heads, fit_heads(known, list(range(300)), members=20, seed=6).heads)


def test_comparisons_of_a_single_prompt_have_the_largest_penalty():
    assert fit_heads(comparisons(5), [7] * 5).penalty == max(PENALTIES)
