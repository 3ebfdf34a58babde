# SPDX-License-Identifier: Apache-2.0
"""Means, whitening, GAE, rewards and KL estimates against values derived by hand and by numpy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rlhf.ppo import arithmetic

settings.register_profile("few", max_examples=40, deadline=None)


settings.load_profile("few")


NAN = float("nan")


INF = float("inf")


def tables(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def bools(*rows):
    return torch.tensor(rows, dtype=torch.bool)


@st.composite
def masked_tables(draw, count=1, prefix=False):
    """Draw `count` tables (B, T) float64 and one mask with at least one real token in every row; `prefix`: no gaps."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 6)))
    numbers = st.floats(-5, 5, allow_nan=False, width=32)
    drawn = [torch.from_numpy(draw(arrays(np.float64, shape, elements=numbers))) for _ in range(count)]
    if prefix:
        lengths = draw(arrays(np.int64, shape[0], elements=st.integers(1, shape[1])))
        mask = np.arange(shape[1]) < lengths[:, None]
    else:
        mask = draw(arrays(np.bool_, shape))
        mask[:, 0] |= ~mask.any(axis=1)
    return *drawn, torch.from_numpy(mask)


def test_masked_mean_counts_real_tokens_only():
    x, mask = tables([1, 2, NAN], [6, INF, -INF]), bools([1, 1, 0], [1, 0, 0])
    assert arithmetic.masked_mean(x, mask).item() == 3.0  # (1 + 2 + 6) / 3


def test_masked_mean_of_nothing_is_zero():
    assert arithmetic.masked_mean(tables([NAN, 1]), bools([0, 0])).item() == 0.0


@given(masked_tables())
def test_masked_mean_agrees_with_numpy(data):
    x, mask = data
    assert arithmetic.masked_mean(x, mask).item() == pytest.approx(x.numpy()[mask.numpy()].mean(), abs=1e-12)


def test_whiten_gives_the_population_deviation():
    # mean 2, population variance ((1-2)^2 + (3-2)^2) / 2 = 1: the two values become -1 and +1
    x, mask = tables([1, 3, NAN]), bools([1, 1, 0])
    assert torch.allclose(arithmetic.whiten(x, mask), tables([-1, 1, 0]), atol=1e-6)
    assert torch.allclose(arithmetic.whiten(x, mask, center=False), tables([1, 3, 0]), atol=1e-6)


@given(masked_tables())
def test_whiten_agrees_with_numpy_on_ragged_masks(data):
    x, mask = data
    real = x.numpy()[mask.numpy()]
    expected = (real - real.mean()) / np.sqrt(real.var() + 1e-8)
    assert np.allclose(arithmetic.whiten(x, mask)[mask].numpy(), expected, atol=1e-6)
    assert np.allclose(arithmetic.whiten(x, mask, center=False)[mask].numpy(), expected + real.mean(), atol=1e-6)
    assert not arithmetic.whiten(x, mask, center=False)[~mask].any()


def test_check_15_whiten_centres_and_center_false_keeps_the_mean():
    x, mask = tables([1, 2, 3, 4, 10]), bools([1, 1, 1, 1, 1])
    assert arithmetic.whiten(x, mask).mean().item() == pytest.approx(0.0, abs=1e-12)
    assert arithmetic.whiten(x, mask, center=False).mean().item() == pytest.approx(4.0)  # (1 + 2 + 3 + 4 + 10) / 5


def numpy_gae(rewards, values, mask, gamma, lam):
    """Compute GAE by its definition, row by row, on the real tokens only."""
    advantages = np.zeros_like(rewards)
    for row in range(len(rewards)):
        places = np.flatnonzero(mask[row])
        r, v = rewards[row, places], np.append(values[row, places], 0.0)
        deltas = r + gamma * v[1:] - v[:-1]
        for i, place in enumerate(places):
            advantages[row, place] = sum((gamma * lam) ** (j - i) * deltas[j] for j in range(i, len(places)))
    return advantages, np.where(mask, advantages + values, 0.0)


@given(masked_tables(count=2), st.floats(0, 1), st.floats(0, 1))
def test_gae_agrees_with_its_definition_in_numpy(data, gamma, lam):
    rewards, values, mask = data
    advantages, returns = arithmetic.gae(rewards, values, mask, gamma, lam)
    expected = numpy_gae(rewards.numpy(), values.numpy(), mask.numpy(), gamma, lam)
    assert np.allclose(advantages.numpy(), expected[0], atol=1e-9)
    assert np.allclose(returns.numpy(), expected[1], atol=1e-9)


@given(masked_tables(count=2, prefix=True))
def test_gae_with_lambda_one_is_the_sum_of_rewards_to_come(data):
    rewards, values, mask = data
    to_come = torch.where(mask, rewards, 0.0).flip(1).cumsum(1).flip(1)
    _, returns = arithmetic.gae(rewards, values, mask, 1.0, 1.0)
    assert torch.allclose(returns, torch.where(mask, to_come, 0.0), atol=1e-9)


@given(masked_tables(count=2, prefix=True))
def test_gae_with_lambda_zero_is_the_one_step_error(data):
    rewards, values, mask = data
    values = torch.where(mask, values, 0.0)
    ahead = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], dim=1)
    advantages, _ = arithmetic.gae(rewards, values, mask, 0.9, 0.0)
    assert torch.allclose(advantages, torch.where(mask, rewards + 0.9 * ahead - values, 0.0), atol=1e-9)


def test_token_rewards_put_the_score_on_the_last_real_token():
    kl, mask = tables([0.5, 1.0, NAN], [2.0, NAN, NAN]), bools([1, 1, 0], [1, 0, 0])
    # minus 0.1 x KL everywhere real; + 3 at row 0's second token, + 4 at row 1's only one
    rewards = arithmetic.token_rewards(tables(3, 4), kl, mask, 0.1)
    assert torch.allclose(rewards, tables([-0.05, 2.9, 0], [3.8, 0, 0]))


def test_kl_estimates_at_a_known_difference():
    logp, ref = tables([-1.0]), tables([-1.5])  # d = 0.5
    assert arithmetic.kl_estimate(logp, ref, "k1").item() == 0.5
    assert arithmetic.kl_estimate(logp, ref, "k2").item() == 0.125
    assert arithmetic.kl_estimate(logp, ref, "k3").item() == pytest.approx(np.exp(-0.5) - 0.5)
    with pytest.raises(ValueError, match="k4"):
        arithmetic.kl_estimate(logp, ref, "k4")


def test_k1_and_k3_are_unbiased_and_k3_is_never_negative():
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.5, 0.3])
    exact = (p * np.log(p / q)).sum()
    logp, ref = torch.tensor(np.log(p)), torch.tensor(np.log(q))
    for kind in ("k1", "k3"):  # the expectation under p, taken exactly
        assert (torch.tensor(p) * arithmetic.kl_estimate(logp, ref, kind)).sum().item() == pytest.approx(exact)
    assert (arithmetic.kl_estimate(logp, ref, "k3") >= 0).all()
    assert (arithmetic.kl_estimate(logp, ref, "k1") < 0).any()  # never clamped: that would bias the penalty upwards
