# SPDX-License-Identifier: Apache-2.0
"""Losses, explained variance and the KL controller against values derived by hand and by numpy in float64."""

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


def test_policy_loss_at_ratio_one_is_minus_the_mean_advantage():
    logp, mask = tables([-1, -2, NAN]), bools([1, 1, 0])
    loss, stats = arithmetic.policy_loss(logp, logp, tables([3, -1, NAN]), mask, 0.2)
    assert loss.item() == -1.0  # -(3 - 1) / 2
    assert stats["clip_fraction"].item() == 0
    assert stats["ratio"].item() == 1


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "clipped"),
    [
        (1.5, 1.0, -1.2, True),  # gain capped at 1 + clip
        (1.5, -1.0, 1.5, False),  # loss not capped
        (0.5, 1.0, -0.5, False),
        (0.5, -1.0, 0.8, True),  # capped at 1 - clip
        (1.1, 1.0, -1.1, False),
    ],
)
def test_policy_loss_takes_the_worse_of_free_and_clipped(ratio, advantage, expected, clipped):
    logp = torch.tensor([[np.log(ratio)]], requires_grad=True)
    loss, stats = arithmetic.policy_loss(logp, torch.zeros(1, 1), tables([advantage]), bools([1]), 0.2)
    loss.backward()
    assert loss.item() == pytest.approx(expected)
    assert stats["clip_fraction"].item() == clipped
    assert (logp.grad.abs().sum() == 0).item() is clipped  # outside the band no gradient


def test_value_loss_is_half_the_worse_squared_error():
    # old 0, new 1, return 2, clip 0.2: free (1-2)^2 = 1, clipped (0.2-2)^2 = 3.24; second token: both (1.5-2)^2 = 0.25
    values, old, returns = tables([1, 1.5, NAN]), tables([0, 1.5, NAN]), tables([2, 2, INF])
    loss, stats = arithmetic.value_loss(values, old, returns, bools([1, 1, 0]), 0.2)
    assert loss.item() == pytest.approx((3.24 + 0.25) / 2 / 2)
    assert stats["value_clip_fraction"].item() == 0.5


@given(masked_tables(count=3))
def test_losses_agree_with_numpy(data):
    a, b, c, mask = data
    keep, (x, y, z) = mask.numpy(), (t.numpy()[mask.numpy()] for t in (a, b, c))
    ratio = np.exp(x - y)
    assert arithmetic.policy_loss(a, b, c, mask, 0.2)[0].item() == pytest.approx(
        np.maximum(-z * ratio, -z * ratio.clip(0.8, 1.2)).mean(), rel=1e-9
    )
    near = y + (x - y).clip(-0.3, 0.3)
    assert arithmetic.value_loss(a, b, c, mask, 0.3)[0].item() == pytest.approx(
        0.5 * np.maximum((x - z) ** 2, (near - z) ** 2).mean(), rel=1e-9
    )
    assert keep.any()


def test_explained_variance_of_a_perfect_and_of_a_constant_critic():
    returns, mask = tables([1, 2, 3, NAN]), bools([1, 1, 1, 0])
    assert arithmetic.explained_variance(returns, returns, mask).item() == pytest.approx(1.0)
    assert arithmetic.explained_variance(tables([5, 5, 5, 5]), returns, mask).item() == pytest.approx(0.0, abs=1e-6)


def test_adaptive_kl_follows_the_sequence_kl_by_at_most_a_fifth():
    kl = arithmetic.AdaptiveKL(0.2, target=6.0, horizon=100)
    assert kl.update(6.3, 10) == pytest.approx(0.2 * (1 + 0.05 * 0.1))  # error 6.3 / 6 - 1 = 0.05
    assert kl.update(60.0, 10) == pytest.approx(0.201 * 1.02)  # error 9, clipped to 0.2
    assert kl.update(0.0, 10) == pytest.approx(0.201 * 1.02 * 0.98)  # error -1, clipped to -0.2


@given(st.floats(-100, 100), st.integers(1, 64))
def test_adaptive_kl_stays_positive(kl, n):
    assert arithmetic.AdaptiveKL(0.1, target=2.0, horizon=64).update(kl, n) > 0
