# SPDX-License-Identifier: Apache-2.0
"""The difference between sampler and trainer is measured, and truncated importance weights correct for it."""

from __future__ import annotations

import math

import pytest
import torch

from rlhf.ppo import arithmetic
from rlhf.ppo.rollout import agreement_metrics, correction_weights
from rlhf.sampling import sampler
from tests.support.ppo_parts import Passes, begun, ppo_config, ppo_trainer, rollouts, tiny_base


@pytest.fixture
def base(tmp_path):
    return tiny_base("llama", tmp_path)


def every_draw(counts):
    """Return the actions of sum(counts) rows of one token, action a counts[a] times: an exact expectation."""
    return torch.tensor([action for action, count in enumerate(counts) for _ in range(count)])[:, None]


def gradient(logits, actions, advantages, old, weights):
    """Return the gradient of the policy loss for the logits of one state, at a ratio of 1."""
    logits = logits.clone().requires_grad_()
    logps = logits.log_softmax(-1)[actions]
    mask = torch.ones_like(actions, dtype=torch.bool)
    loss, _ = arithmetic.policy_loss(logps, old[actions], advantages[actions], mask, 0.2, weights=weights)
    return torch.autograd.grad(loss, logits)[0]


@pytest.mark.parametrize(("cap", "exact"), [(10.0, True), (2.0, False)])
def test_weights_turn_the_samplers_gradient_into_that_of_the_trained_policy(cap, exact):
    """The sampler draws by shifted logits. Its 64 draws are its distribution exactly, so means are expectations."""
    counts = [32, 16, 8, 4, 4]
    drawn = torch.tensor(counts, dtype=torch.float64) / 64
    trainer = torch.log(drawn) + torch.tensor([-0.5, 0.1, 0.4, 1.2, 0.3], dtype=torch.float64)
    old, actions = trainer.log_softmax(-1), every_draw(counts)
    advantages = torch.tensor([1.0, -2.0, 0.5, 3.0, -1.0], dtype=torch.float64)
    p = old.exp()
    right = -p * (advantages - (p * advantages).sum())  # of -E[A log pi] over the policy's own draws
    mask = torch.ones_like(actions, dtype=torch.bool)
    weights = arithmetic.importance_weights(old[actions], drawn.log()[actions], mask, cap)
    assert weights.max() <= cap
    corrected = (gradient(trainer, actions, advantages, old, weights) - right).norm()
    uncorrected = (gradient(trainer, actions, advantages, old, None) - right).norm()
    assert corrected < (1e-12 if exact else 0.5 * uncorrected)


def test_padding_takes_no_weight_and_changes_nothing():
    nan, mask = torch.tensor([[-1.0, float("nan")]]), torch.tensor([[True, False]])
    weights = arithmetic.importance_weights(nan, nan - 0.5, mask, 2.0)
    assert torch.allclose(weights, torch.tensor([[0.5, 0.0]]).exp() * mask)
    loss, _ = arithmetic.policy_loss(nan, nan, torch.ones(1, 2), mask, 0.2, weights=weights + nan * 0)
    assert loss.item() == pytest.approx(-math.exp(0.5))


def planted(monkeypatch, shift=0.3):
    """Make the sampler draw from logits that differ from the trainer's by up to `shift`."""
    real = sampler.token_logps

    def shifted(logits, temperature, banned):
        return real(logits + shift * torch.sin(torch.arange(logits.shape[-1])), temperature, banned)

    monkeypatch.setattr(sampler, "token_logps", shifted)


def test_in_float32_both_are_one_and_every_weight_is_exactly_1(base, tmp_path):
    trainer = begun(base, tmp_path)
    rollout = trainer._collect(0)
    metrics = agreement_metrics(rollout)
    assert metrics["sampler_difference"] <= metrics["sampler_difference_max"] < 1e-4
    assert metrics["sampler_outside"] == 0
    assert (correction_weights(rollout, 2.0) == 1).all()


def test_a_planted_difference_is_measured_and_weighted(base, tmp_path, monkeypatch):
    planted(monkeypatch)
    trainer = begun(base, tmp_path)
    with base.role("policy"):
        rollout = trainer._collect(0)
    metrics = agreement_metrics(rollout)
    expected = (rollout.old.logps - rollout.sampler_logps)[rollout.mask]
    assert metrics["sampler_difference"] == pytest.approx(expected.abs().mean().item(), rel=1e-5)
    assert metrics["sampler_difference"] > 0.05
    assert 0 < metrics["sampler_outside"] <= 1
    weights = correction_weights(rollout, 1.1)
    assert torch.allclose(weights[rollout.mask], expected.exp().clamp(max=1.1))
    assert (correction_weights(rollout, None) == 1).all()


def test_the_cap_changes_the_training_only_where_sampler_and_trainer_differ(tmp_path, monkeypatch):
    def trained(number, cap):
        base = tiny_base("llama", tmp_path / f"{number}-{cap}")
        trainer = ppo_trainer(base, ppo_config(tmp_path, importance_cap=cap))
        passes = Passes(trainer)
        trainer.add_callback(passes)
        trainer.train()
        return torch.cat([weights.flatten() for weights in passes.after[-1]]), rollouts(trainer)[-1]

    same, without = trained(1, 2.0), trained(1, None)
    assert torch.equal(same[0], without[0])
    assert same[1]["sampler_difference"] < 1e-4
    planted(monkeypatch)
    corrected, uncorrected = trained(2, 2.0), trained(2, None)
    assert not torch.equal(corrected[0], uncorrected[0])
    assert corrected[1]["sampler_outside"] > 0
