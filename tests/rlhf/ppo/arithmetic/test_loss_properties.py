# SPDX-License-Identifier: Apache-2.0
"""Losses, the KL controller and gradients against float64 references in numpy, from the papers' formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from rlhf.ppo import arithmetic
from tests.support.masked_tables import COMMON, assert_close, mean, real, tables, tensor, variance


def policy_term(logp, old, advantage, clip, dual_clip):
    """Schulman 2017, equation 7, negated; for a negative advantage Ye 2020, equation 5: max(min(...), c A), negated."""
    ratio = math.exp(logp - old)
    gain = min(ratio * advantage, min(max(ratio, 1 - clip), 1 + clip) * advantage)
    return -max(gain, dual_clip * advantage) if dual_clip and advantage < 0 else -gain


@COMMON
@given(tables(3), st.floats(0.05, 0.5), st.one_of(st.none(), st.floats(1.1, 5)))
def test_policy_loss(data, clip, dual_clip):
    logp, old, advantages, mask = data
    loss, stats = arithmetic.policy_loss(tensor(logp), tensor(old), tensor(advantages), tensor(mask), clip, dual_clip)
    tokens = list(zip(*(real(x, mask) for x in (logp, old, advantages)), strict=True))
    assert_close(loss, mean([policy_term(*token, clip, dual_clip) for token in tokens]))
    assert_close(stats["approx_kl"], mean([math.exp(a - b) - 1 - (a - b) for a, b, _ in tokens]))
    assert_close(stats["ratio"], mean([math.exp(a - b) for a, b, _ in tokens]))


@COMMON
@given(tables(3), st.floats(1.1, 5))
def test_dual_clip_never_raises_a_loss_and_leaves_positive_advantages_alone(data, dual_clip):
    logp, old, advantages, mask = data
    actual = [
        arithmetic.policy_loss(tensor(logp), tensor(old), tensor(x), tensor(mask), 0.2, d)[0]
        for x in (advantages, np.abs(advantages))
        for d in (None, dual_clip)
    ]
    assert actual[1] <= actual[0] + 1e-9
    assert actual[2] == actual[3]


@pytest.mark.parametrize(
    ("ratio", "loss", "moves"), [(1.5, 1.5, True), (2.9, 2.9, True), (3.1, 3.0, False), (50.0, 3.0, False)]
)
def test_beyond_the_dual_clip_a_bad_token_gives_no_gradient(ratio, loss, moves):
    """A = -1 and c = 3: the loss is the ratio up to 3, and 3 from there on."""
    logp = torch.tensor([[math.log(ratio)]], dtype=torch.float64, requires_grad=True)
    zero, one = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.bool)
    actual, stats = arithmetic.policy_loss(logp, zero, zero - 1, one, 0.2, 3.0)
    actual.backward()
    assert actual.item() == pytest.approx(loss)
    assert (logp.grad.item() != 0) is moves
    assert stats["dual_clip_fraction"].item() == (not moves)


@COMMON
@given(tables(3), st.one_of(st.none(), st.floats(0.05, 2)))
def test_value_loss(data, clip):
    values, old, returns, mask = data
    losses = []
    for new, before, target in zip(*(real(x, mask) for x in (values, old, returns)), strict=True):
        near = new if clip is None else min(max(new, before - clip), before + clip)
        losses.append(max((new - target) ** 2, (near - target) ** 2))
    loss, _ = arithmetic.value_loss(tensor(values), tensor(old), tensor(returns), tensor(mask), clip)
    assert_close(loss, 0.5 * mean(losses))


@COMMON
@given(tables(2))
def test_explained_variance(data):
    values, returns, mask = data
    errors = [y - v for v, y in zip(real(values, mask), real(returns, mask), strict=True)]
    assert_close(
        arithmetic.explained_variance(tensor(values), tensor(returns), tensor(mask)),
        1 - variance(errors) / (variance(real(returns, mask)) + 1e-8),
    )


@COMMON
@given(
    st.floats(0.01, 1),
    st.floats(0.5, 10),
    st.floats(10, 1000),
    st.lists(st.tuples(st.floats(-5, 50), st.integers(1, 64)), max_size=8),
)
def test_adaptive_kl(init, target, horizon, seen):
    controller, coefficient = arithmetic.AdaptiveKL(init, target, horizon), init
    for kl, episodes in seen:
        coefficient *= 1 + max(-0.2, min(0.2, kl / target - 1)) * episodes / horizon  # Ziegler 2019, section 2.2
        assert_close(controller.update(kl, episodes), coefficient)
    assert_close(controller.coefficient, coefficient)


@COMMON
@given(tables(3, low=-2, high=2), st.sampled_from(["policy", "dual", "value"]))
def test_gradients_agree_with_differences_and_stay_out_of_the_mask(data, which):
    first, second, third, mask = data
    assume(mask.any())
    losses = {
        "policy": lambda x: arithmetic.policy_loss(x, tensor(second), tensor(third), tensor(mask), 0.2)[0],
        "dual": lambda x: arithmetic.policy_loss(x, tensor(second), tensor(third), tensor(mask), 0.2, 2.0)[0],
        "value": lambda x: arithmetic.value_loss(x, tensor(second), tensor(third), tensor(mask), 0.2)[0],
    }
    x = tensor(first.copy()).requires_grad_()
    losses[which](x).backward()
    assert not x.grad.numpy()[~mask].any()
    step = 1e-6
    for place in zip(*np.nonzero(mask), strict=True):
        ahead, behind = first.copy(), first.copy()
        ahead[place] += step
        behind[place] -= step
        here, up, down = (losses[which](tensor(table)).item() for table in (first, ahead, behind))
        if abs((up - here) - (here - down)) < 1e-10:  # not across a corner, where the two sides differ
            assert x.grad[place].item() == pytest.approx((up - down) / (2 * step), rel=1e-3, abs=1e-4)
