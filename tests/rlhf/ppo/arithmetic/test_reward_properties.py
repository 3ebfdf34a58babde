# SPDX-License-Identifier: Apache-2.0
"""Means, whitening, GAE, KL and rewards against float64 references in numpy, token by token, from the papers' formulas."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rlhf.ppo import arithmetic
from tests.support.masked_tables import COMMON, UNIT, assert_close, mean, real, tables, tensor, variance


@COMMON
@given(tables(1))
def test_masked_mean(data):
    x, mask = data
    assert_close(arithmetic.masked_mean(tensor(x), tensor(mask)), mean(real(x, mask)))


@COMMON
@given(tables(1), st.booleans())
def test_whiten(data, center):
    x, mask = data
    numbers = real(x, mask)
    deviation = math.sqrt(variance(numbers) + 1e-8)
    expected = [(number - mean(numbers)) / deviation + (0 if center else mean(numbers)) for number in numbers]
    actual = arithmetic.whiten(tensor(x), tensor(mask), center).numpy()
    assert_close(actual[mask], expected)
    assert not actual[~mask].any()


@COMMON
@given(tables(1), st.floats(0.5, 10), st.floats(-10, 10))
def test_whitening_forgets_unit_and_offset(data, unit, offset):
    x, mask = data
    assume(variance(real(x, mask)) > 0.1)
    # both deviations contain the 1e-8, once beside the variance and once beside unit^2 times it: equal to about 1e-7
    assert np.allclose(
        arithmetic.whiten(tensor(x * unit + offset), tensor(mask)),
        arithmetic.whiten(tensor(x), tensor(mask)),
        atol=1e-5,
    )


def gae_backwards(rewards, values, mask, gamma, lam):
    """Schulman 2016, equation 16, as the recursion A_t = delta_t + gamma lam A_(t+1) over the real tokens of each
    row."""
    advantages = np.zeros(mask.shape)
    for row in range(len(mask)):
        following_value = following_advantage = 0.0
        for place in np.flatnonzero(mask[row])[::-1]:
            delta = rewards[row, place] + gamma * following_value - values[row, place]
            following_advantage = delta + gamma * lam * following_advantage
            following_value = values[row, place]
            advantages[row, place] = following_advantage
    return advantages


@COMMON
@given(tables(2), UNIT, UNIT)
def test_gae(data, gamma, lam):
    rewards, values, mask = data
    advantages, returns = arithmetic.gae(tensor(rewards), tensor(values), tensor(mask), gamma, lam)
    expected = gae_backwards(rewards, values, mask, gamma, lam)
    assert_close(advantages, expected)
    assert_close(returns, expected + np.where(mask, values, 0.0))


@COMMON
@given(tables(2), UNIT)
def test_gae_with_lambda_one_does_not_ask_the_critic_for_returns(data, gamma):
    """At lambda 1 the deltas telescope: the return is the discounted sum of rewards to come, whatever the values
    are."""
    rewards, values, mask = data
    _, returns = arithmetic.gae(tensor(rewards), tensor(values), tensor(mask), gamma, 1.0)
    for row in range(len(mask)):
        places = list(np.flatnonzero(mask[row]))
        for i, place in enumerate(places):
            assert_close(returns[row, place], sum(gamma**k * rewards[row, later] for k, later in enumerate(places[i:])))


@COMMON
@given(tables(2), UNIT, UNIT, st.floats(-3, 3))
def test_gae_is_linear_in_rewards_and_values_together(data, gamma, lam, factor):
    rewards, values, mask = data
    advantages, _ = arithmetic.gae(tensor(rewards), tensor(values), tensor(mask), gamma, lam)
    scaled, _ = arithmetic.gae(factor * tensor(rewards), factor * tensor(values), tensor(mask), gamma, lam)
    assert_close(scaled, factor * advantages.numpy())


@COMMON
@given(tables(2, low=-4, high=0), st.sampled_from(["k1", "k2", "k3"]))
def test_kl_estimate(data, kind):
    logp, ref, mask = data
    formulas = {"k1": lambda d: d, "k2": lambda d: d * d / 2, "k3": lambda d: math.exp(-d) - 1 + d}
    actual = arithmetic.kl_estimate(tensor(logp), tensor(ref), kind)
    assert_close(
        real(actual.numpy(), mask),
        [formulas[kind](a - b) for a, b in zip(real(logp, mask), real(ref, mask), strict=True)],
    )


@COMMON
@given(arrays(np.float64, st.integers(2, 6), elements=st.floats(-3, 3)), st.data())
def test_k1_and_k3_are_exact_in_expectation_and_k2_and_k3_are_never_negative(logits, data):
    other = data.draw(arrays(np.float64, len(logits), elements=st.floats(-3, 3)))
    p, q = (np.exp(x) / np.exp(x).sum() for x in (logits, other))
    exact = float((p * (np.log(p) - np.log(q))).sum())
    actual = {
        kind: arithmetic.kl_estimate(tensor(np.log(p)), tensor(np.log(q)), kind).numpy() for kind in ("k1", "k2", "k3")
    }
    assert_close((p * actual["k1"]).sum(), exact)
    assert_close((p * actual["k3"]).sum(), exact)  # E[exp(-d)] = sum p q/p = 1
    assert (actual["k2"] >= 0).all()
    assert (actual["k3"] >= -1e-12).all()


@COMMON
@given(tables(1), st.floats(0, 2), st.data())
def test_token_rewards(data, coefficient, draws):
    kl, mask = data
    scores = draws.draw(arrays(np.float64, len(mask), elements=st.floats(-9, 9)))
    expected = np.zeros(mask.shape)
    for row in range(len(mask)):
        places = np.flatnonzero(mask[row])
        expected[row, places] = -coefficient * kl[row, places]
        if len(places):
            expected[row, places[-1]] += scores[row]
    assert_close(arithmetic.token_rewards(tensor(scores), tensor(kl), tensor(mask), coefficient), expected)


@COMMON
@given(arrays(np.float64, 5, elements=st.floats(-9, 9)), st.floats(0.1, 5))
def test_clipped_scores(scores, limit):
    assert_close(arithmetic.clipped_scores(tensor(scores), limit), [max(-limit, min(limit, x)) for x in scores])
    assert_close(arithmetic.clipped_scores(tensor(scores), None), scores)


@COMMON
@given(arrays(np.int64, 5, elements=st.integers(1, 200)), st.floats(0, 2), st.integers(0, 150))
def test_length_penalty(lengths, per_token, free):
    assert_close(
        arithmetic.length_penalty(tensor(lengths).double(), per_token, free),
        [per_token * max(0, int(n) - free) for n in lengths],
    )
