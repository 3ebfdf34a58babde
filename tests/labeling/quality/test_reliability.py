# SPDX-License-Identifier: Apache-2.0
"""The model of labelers recovers those whose reliability is known, and knows what it does not know."""

from __future__ import annotations

import random

import numpy as np
import pytest

from labeling.quality.reliability import accuracy, fit
from labeling.quality.votes import Votes
from labeling.simulate import perceive

TRUE = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, -1.0, 2.0])


def answers(true: np.ndarray, pairs: int, of: int, seed: int, bias: np.ndarray | None = None, golden: int = 0):
    """`pairs` pairs of strength N(0, 1), each judged by `of` labelers drawn at random.

    Signs are known of the first `golden`.
    """
    rng = np.random.default_rng(seed)
    d = rng.normal(size=pairs)
    labeler = np.stack([rng.permutation(len(true))[:of] for _ in range(pairs)]).ravel()
    pair = np.repeat(np.arange(pairs), of)
    left = rng.random(pairs * of) < 0.5
    bias = np.zeros(len(true)) if bias is None else bias
    seen = true[labeler] * d[pair] + bias[labeler] * np.where(left, 1, -1) + rng.logistic(size=pairs * of)
    known = np.where(pair < golden, np.sign(d[pair]), 0).astype(np.int8)
    return Votes(pair, labeler, np.where(seen > 0, 2, -2).astype(np.int8)), left, known


def test_known_discriminations_are_recovered_within_their_errors():
    votes, left, gold = answers(TRUE, pairs=1500, of=3, seed=1)
    fitted = fit(votes, left, gold)
    assert fitted.votes.sum() == 4500
    assert (
        np.abs(fitted.discrimination - TRUE) < 3 * fitted.error
    ).all()  # the prior draws the best and the worst inwards
    assert np.corrcoef(fitted.discrimination, TRUE)[0, 1] > 0.9
    assert np.abs(accuracy(fitted.discrimination) - accuracy(TRUE)).max() < 0.08


def test_the_error_is_as_large_as_the_estimates_scatter():
    true = np.array([0.5, 1.0, 1.5, 2.0, 1.0])
    fitted = [fit(*answers(true, pairs=300, of=3, seed=seed)[:2]) for seed in range(8)]
    scatter = np.std([one.discrimination for one in fitted], axis=0)
    stated = np.mean([one.error for one in fitted], axis=0)
    assert 0.5 < np.mean(scatter / stated) < 1.3  # the prior pulls estimates together, so they scatter a little less


def test_position_bias_is_separated_from_carelessness():
    bias = np.array([1.0, 0.0, 0.0, -0.5])
    votes, left, _ = answers(np.full(4, 1.5), pairs=1000, of=3, seed=2, bias=bias)
    fitted = fit(votes, left)
    assert fitted.position_bias == pytest.approx(bias, abs=0.25)
    assert fitted.discrimination == pytest.approx(1.5, abs=0.7)


def test_simulated_labelers_of_known_noise_are_ordered_and_weighted_by_it():
    # labelers of labeling/simulate.py: a verdict on beta d through logistic noise, here with a beta of their own
    betas, rng = (0.2, 1.0, 2.0, 4.0), random.Random(5)
    d = np.random.default_rng(5).normal(size=1500)
    rows = [
        (pair, who, 1 if perceive(beta * d[pair], rng).startswith("left") else -1)
        for pair in range(1500)
        for who, beta in enumerate(betas)
    ]
    pair, who, grade = np.array(rows).T
    fitted = fit(Votes(pair, who, grade.astype(np.int8)), np.ones(len(rows), bool))
    right = [np.mean([(g > 0) == (d[p] > 0) for p, w, g in rows if w == one]) for one in range(4)]
    assert accuracy(fitted.discrimination) == pytest.approx(right, abs=0.03)
    weights = fitted.weights({0: 100, 1: 100, 2: 100, 3: 100})
    assert weights[0] < weights[1] < weights[2] < weights[3]
    assert sum(weights.values()) == pytest.approx(4)


@pytest.mark.parametrize("right", [0, 1])
def test_gold_pairs_say_which_of_two_labelers_is_wrong(right):
    # two labelers who disagree on everything, on sides drawn at random: nothing but gold tells which is wrong
    pair, labeler = np.repeat(np.arange(200), 2), np.tile([0, 1], 200)
    truth = np.where(pair % 3 == 0, 1, -1).astype(np.int8)
    votes = Votes(pair, labeler, np.where(labeler == right, truth, -truth).astype(np.int8))
    fitted = fit(votes, np.random.default_rng(4).random(400) < 0.5, np.where(pair < 50, truth, 0).astype(np.int8))
    assert fitted.discrimination[right] > 1 > 0 > fitted.discrimination[1 - right]
    assert fitted.weights({0: 5, 1: 5}) == {right: 2.0, 1 - right: 0.0}


def test_a_labeler_who_shares_no_pair_gets_the_typical_weight_and_no_row():
    votes, left, _ = answers(np.array([1.5, 1.5]), pairs=300, of=2, seed=3)
    alone = Votes(np.append(votes.pair, 999), np.append(votes.labeler, 7), np.append(votes.grade, np.int8(1)))
    fitted = fit(alone, np.append(left, True))
    weights = fitted.weights({0: 300, 1: 300, 7: 1})
    assert fitted.votes[fitted.labeler == 7].sum() == 0
    assert weights[7] == pytest.approx(1.0, abs=0.15)


def test_without_votes_there_is_nobody_and_everybody_weighs_one():
    empty = Votes(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int8))
    fitted = fit(empty, np.zeros(0, bool))
    assert len(fitted.labeler) == 0
    assert fitted.weights({3: 10}) == {3: 1.0}


def test_a_coin_is_right_half_of_the_time_and_nobody_always():
    assert accuracy(0.0) == pytest.approx(0.5)
    assert accuracy(np.array([-2.0, 2.0])).sum() == pytest.approx(1.0)
    assert 0.95 < accuracy(50.0) <= 1.0
