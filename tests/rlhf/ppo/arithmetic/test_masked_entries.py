# SPDX-License-Identifier: Apache-2.0
"""Masked entries change neither a result nor a gradient, and results are 0 there."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings

from rlhf.ppo import arithmetic

settings.register_profile("few", max_examples=40, deadline=None)


settings.load_profile("few")


NAN = float("nan")


INF = float("inf")


def bools(*rows):
    return torch.tensor(rows, dtype=torch.bool)


FUNCTIONS = {
    "masked_mean": (1, lambda x, mask: arithmetic.masked_mean(x, mask)),
    "whiten": (1, lambda x, mask: arithmetic.whiten(x, mask)),
    "whiten without centring": (1, lambda x, mask: arithmetic.whiten(x, mask, center=False)),
    "gae": (2, lambda r, v, mask: torch.stack(arithmetic.gae(r, v, mask, 0.9, 0.95))),
    "token_rewards": (1, lambda kl, mask: arithmetic.token_rewards(torch.ones(len(kl), dtype=kl.dtype), kl, mask, 0.3)),
    "policy_loss": (3, lambda a, b, c, mask: arithmetic.policy_loss(a, b, c, mask, 0.2)[0]),
    "value_loss": (3, lambda a, b, c, mask: arithmetic.value_loss(a, b, c, mask, 0.2)[0]),
    "explained_variance": (2, lambda a, b, mask: arithmetic.explained_variance(a, b, mask)),
}


@pytest.mark.parametrize("dirt", [NAN, INF, -INF, 1e6])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_check_35_what_stands_under_the_mask_changes_neither_result_nor_gradient(name, dirt):
    count, function = FUNCTIONS[name]
    mask = bools([1, 1, 0, 1], [1, 0, 0, 0])
    torch.manual_seed(0)
    clean = [torch.randn(2, 4, dtype=torch.float64) for _ in range(count)]
    results, gradients = [], []
    for filler in (0.0, dirt):
        inputs = [torch.where(mask, x, filler).requires_grad_() for x in clean]
        result = function(*inputs, mask)
        result.square().sum().backward()
        results.append(result.detach())
        gradients.append([x.grad if x.grad is not None else torch.zeros(2, 4) for x in inputs])
    assert torch.equal(results[0], results[1])
    for before, after in zip(*gradients, strict=True):
        assert torch.equal(before, after)
        assert not after[~mask].any()


@pytest.mark.parametrize("name", ["whiten", "whiten without centring", "gae", "token_rewards"])
def test_tables_are_zero_outside_the_mask(name):
    count, function = FUNCTIONS[name]
    mask = bools([1, 1, 0, 1], [1, 0, 0, 0])
    assert not function(*[torch.full((2, 4), 3.0) for _ in range(count)], mask)[..., ~mask].any()
