# SPDX-License-Identifier: Apache-2.0
"""Every pure function of `rlhf.ppo.arithmetic` beside a float64 reference in numpy that is written here, token by
token, from the paper's formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rlhf.ppo import arithmetic

COMMON = settings(max_examples=60, deadline=None)
UNIT = st.floats(0, 1)
FILLERS = st.sampled_from([0.0, float("nan"), float("inf"), float("-inf"), 1e30])


@st.composite
def tables(draw, count, low=-5.0, high=5.0):
    """`count` tables (B, T) with rubbish where the mask is False, and the mask, gaps and empty rows included."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 7)))
    mask = draw(arrays(np.bool_, shape))
    numbers, filler = st.floats(low, high, width=32), draw(FILLERS)
    found = [np.where(mask, draw(arrays(np.float64, shape, elements=numbers)), filler) for _ in range(count)]
    return *found, mask


def t(x):
    return torch.from_numpy(np.asarray(x))


def real(table, mask):
    """The real tokens, row by row, as a list of plain floats."""
    return [float(x) for x, keep in zip(table.ravel(), mask.ravel(), strict=True) if keep]


def mean(numbers):
    return sum(numbers) / len(numbers) if numbers else 0.0


def variance(numbers):
    return mean([(x - mean(numbers)) ** 2 for x in numbers])


def close(found, expected):
    assert np.allclose(np.asarray(found), np.asarray(expected), rtol=1e-9, atol=1e-9)


# ---- means and whitening


@COMMON
@given(tables(1))
def test_masked_mean(data):
    x, mask = data
    close(arithmetic.masked_mean(t(x), t(mask)), mean(real(x, mask)))


@COMMON
@given(tables(1), st.booleans())
def test_whiten(data, center):
    x, mask = data
    numbers = real(x, mask)
    deviation = math.sqrt(variance(numbers) + 1e-8)
    expected = [(number - mean(numbers)) / deviation + (0 if center else mean(numbers)) for number in numbers]
    found = arithmetic.whiten(t(x), t(mask), center).numpy()
    close(found[mask], expected)
    assert not found[~mask].any()


@COMMON
@given(tables(1), st.floats(0.5, 10), st.floats(-10, 10))
def test_whitening_forgets_unit_and_offset(data, unit, offset):
    x, mask = data
    assume(variance(real(x, mask)) > 0.1)
    # both deviations contain the 1e-8, once beside the variance and once beside unit^2 times it: equal to about 1e-7
    assert np.allclose(arithmetic.whiten(t(x * unit + offset), t(mask)), arithmetic.whiten(t(x), t(mask)), atol=1e-5)


# ---- advantages


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
    advantages, returns = arithmetic.gae(t(rewards), t(values), t(mask), gamma, lam)
    expected = gae_backwards(rewards, values, mask, gamma, lam)
    close(advantages, expected)
    close(returns, expected + np.where(mask, values, 0.0))


@COMMON
@given(tables(2), UNIT)
def test_gae_with_lambda_one_does_not_ask_the_critic_for_returns(data, gamma):
    """At lambda 1 the deltas telescope: the return is the discounted sum of rewards to come, whatever the values
    are."""
    rewards, values, mask = data
    _, returns = arithmetic.gae(t(rewards), t(values), t(mask), gamma, 1.0)
    for row in range(len(mask)):
        places = list(np.flatnonzero(mask[row]))
        for i, place in enumerate(places):
            close(returns[row, place], sum(gamma**k * rewards[row, later] for k, later in enumerate(places[i:])))


@COMMON
@given(tables(2), UNIT, UNIT, st.floats(-3, 3))
def test_gae_is_linear_in_rewards_and_values_together(data, gamma, lam, factor):
    rewards, values, mask = data
    advantages, _ = arithmetic.gae(t(rewards), t(values), t(mask), gamma, lam)
    scaled, _ = arithmetic.gae(factor * t(rewards), factor * t(values), t(mask), gamma, lam)
    close(scaled, factor * advantages.numpy())


# ---- KL, scores and rewards


@COMMON
@given(tables(2, low=-4, high=0), st.sampled_from(["k1", "k2", "k3"]))
def test_kl_estimate(data, kind):
    logp, ref, mask = data
    formulas = {"k1": lambda d: d, "k2": lambda d: d * d / 2, "k3": lambda d: math.exp(-d) - 1 + d}
    found = arithmetic.kl_estimate(t(logp), t(ref), kind)
    close(
        real(found.numpy(), mask),
        [formulas[kind](a - b) for a, b in zip(real(logp, mask), real(ref, mask), strict=True)],
    )


@COMMON
@given(arrays(np.float64, st.integers(2, 6), elements=st.floats(-3, 3)), st.data())
def test_k1_and_k3_are_exact_in_expectation_and_k2_and_k3_are_never_negative(logits, data):
    other = data.draw(arrays(np.float64, len(logits), elements=st.floats(-3, 3)))
    p, q = (np.exp(x) / np.exp(x).sum() for x in (logits, other))
    exact = float((p * (np.log(p) - np.log(q))).sum())
    found = {kind: arithmetic.kl_estimate(t(np.log(p)), t(np.log(q)), kind).numpy() for kind in ("k1", "k2", "k3")}
    close((p * found["k1"]).sum(), exact)
    close((p * found["k3"]).sum(), exact)  # E[exp(-d)] = sum p q/p = 1
    assert (found["k2"] >= 0).all()
    assert (found["k3"] >= -1e-12).all()


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
    close(arithmetic.token_rewards(t(scores), t(kl), t(mask), coefficient), expected)


@COMMON
@given(arrays(np.float64, 5, elements=st.floats(-9, 9)), st.floats(0.1, 5))
def test_clipped_scores(scores, limit):
    close(arithmetic.clipped_scores(t(scores), limit), [max(-limit, min(limit, x)) for x in scores])
    close(arithmetic.clipped_scores(t(scores), None), scores)


@COMMON
@given(arrays(np.int64, 5, elements=st.integers(1, 200)), st.floats(0, 2), st.integers(0, 150))
def test_length_penalty(lengths, per_token, free):
    close(
        arithmetic.length_penalty(t(lengths).double(), per_token, free),
        [per_token * max(0, int(n) - free) for n in lengths],
    )


# ---- losses


def policy_term(logp, old, advantage, clip, dual_clip):
    """Schulman 2017, equation 7, negated; for a negative advantage Ye 2020, equation 5: max(min(...), c A), negated."""
    ratio = math.exp(logp - old)
    gain = min(ratio * advantage, min(max(ratio, 1 - clip), 1 + clip) * advantage)
    return -max(gain, dual_clip * advantage) if dual_clip and advantage < 0 else -gain


@COMMON
@given(tables(3), st.floats(0.05, 0.5), st.one_of(st.none(), st.floats(1.1, 5)))
def test_policy_loss(data, clip, dual_clip):
    logp, old, advantages, mask = data
    loss, stats = arithmetic.policy_loss(t(logp), t(old), t(advantages), t(mask), clip, dual_clip)
    tokens = list(zip(*(real(x, mask) for x in (logp, old, advantages)), strict=True))
    close(loss, mean([policy_term(*token, clip, dual_clip) for token in tokens]))
    close(stats["approx_kl"], mean([math.exp(a - b) - 1 - (a - b) for a, b, _ in tokens]))
    close(stats["ratio"], mean([math.exp(a - b) for a, b, _ in tokens]))


@COMMON
@given(tables(3), st.floats(1.1, 5))
def test_dual_clip_never_raises_a_loss_and_leaves_positive_advantages_alone(data, dual_clip):
    logp, old, advantages, mask = data
    found = [
        arithmetic.policy_loss(t(logp), t(old), t(x), t(mask), 0.2, d)[0]
        for x in (advantages, np.abs(advantages))
        for d in (None, dual_clip)
    ]
    assert found[1] <= found[0] + 1e-9
    assert found[2] == found[3]


@pytest.mark.parametrize(
    ("ratio", "loss", "moves"), [(1.5, 1.5, True), (2.9, 2.9, True), (3.1, 3.0, False), (50.0, 3.0, False)]
)
def test_beyond_the_dual_clip_a_bad_token_gives_no_gradient(ratio, loss, moves):
    """A = -1 and c = 3: the loss is the ratio up to 3, and 3 from there on."""
    logp = torch.tensor([[math.log(ratio)]], dtype=torch.float64, requires_grad=True)
    zero, one = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.bool)
    found, stats = arithmetic.policy_loss(logp, zero, zero - 1, one, 0.2, 3.0)
    found.backward()
    assert found.item() == pytest.approx(loss)
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
    loss, _ = arithmetic.value_loss(t(values), t(old), t(returns), t(mask), clip)
    close(loss, 0.5 * mean(losses))


@COMMON
@given(tables(2))
def test_explained_variance(data):
    values, returns, mask = data
    errors = [y - v for v, y in zip(real(values, mask), real(returns, mask), strict=True)]
    close(
        arithmetic.explained_variance(t(values), t(returns), t(mask)),
        1 - variance(errors) / (variance(real(returns, mask)) + 1e-8),
    )


# ---- the controller


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
        close(controller.update(kl, episodes), coefficient)
    close(controller.coefficient, coefficient)


# ---- gradients


@COMMON
@given(tables(3, low=-2, high=2), st.sampled_from(["policy", "dual", "value"]))
def test_gradients_agree_with_differences_and_stay_out_of_the_mask(data, which):
    first, second, third, mask = data
    assume(mask.any())
    losses = {
        "policy": lambda x: arithmetic.policy_loss(x, t(second), t(third), t(mask), 0.2)[0],
        "dual": lambda x: arithmetic.policy_loss(x, t(second), t(third), t(mask), 0.2, 2.0)[0],
        "value": lambda x: arithmetic.value_loss(x, t(second), t(third), t(mask), 0.2)[0],
    }
    x = t(first.copy()).requires_grad_()
    losses[which](x).backward()
    assert not x.grad.numpy()[~mask].any()
    step = 1e-6
    for place in zip(*np.nonzero(mask), strict=True):
        ahead, behind = first.copy(), first.copy()
        ahead[place] += step
        behind[place] -= step
        here, up, down = (losses[which](t(table)).item() for table in (first, ahead, behind))
        if abs((up - here) - (here - down)) < 1e-10:  # not across a corner, where the two sides differ
            assert x.grad[place].item() == pytest.approx((up - down) / (2 * step), rel=1e-3, abs=1e-4)
