# SPDX-License-Identifier: Apache-2.0
"""Strengths of policies against the Bradley-Terry fit of the library choix."""

from __future__ import annotations

import choix
import numpy as np
import pytest

from rlhf.evaluation.elo import PRIOR, bradley_terry_strengths


@pytest.mark.parametrize("seed", range(3))
def test_strengths_are_those_of_choix(seed):
    wins = np.random.default_rng(seed).integers(0, 9, (6, 6)).astype(float)
    np.fill_diagonal(wins, 0)
    # the prior as one more opponent, of strength 1
    with_prior = np.full((7, 7), PRIOR)
    with_prior[:6, :6], with_prior[6, 6] = wins, 0
    expected = choix.ilsr_pairwise_dense(with_prior)[:6]
    assert bradley_terry_strengths(wins[None])[0] == pytest.approx(expected - expected.mean(), abs=1e-4)
