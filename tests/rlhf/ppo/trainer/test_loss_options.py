# SPDX-License-Identifier: Apache-2.0
"""Settings of the losses: dual clip, value clip and the target KL of an update."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.ppo_parts import (
    Passes,
    begun,
    ppo_config,
    ppo_trainer,
    rollouts,
    tiny_base,
)


def loss_and_gradient(trainer, **changes):
    """Return the loss and the policy's largest gradient, after replacing parts of the experience."""
    trainer._experience = trainer._experience._replace(**changes)
    trainer.model.zero_grad()
    window = int(trainer._experience.mask.sum())
    with trainer.base.role("policy"):
        loss = trainer.compute_loss(trainer.model, {"rows": list(range(8)), "window": window})
        loss.backward()
    return loss.item(), max(matrix.grad.abs().max().item() for matrix in trainer.base.parameters("policy"))


def test_a_dual_clip_bounds_what_a_token_of_negative_advantage_costs(base, tmp_path):
    """Old log-probabilities are 2 below the current ones: the ratio is e^2 = 7.39, above a bound of 3 and below 8."""
    losses = {}
    for bound in (None, 3.0, 8.0):
        trainer = begun(tiny_base("llama", tmp_path), tmp_path, dual_clip=bound, vf_coef=0.0)
        data = trainer._experience
        losses[bound] = loss_and_gradient(
            trainer, old_logps=data.old_logps - 2, advantages=torch.full_like(data.advantages, -1.0)
        )
    assert losses[3.0] == (pytest.approx(3.0), 0.0)
    assert losses[None][0] == pytest.approx(np.exp(2), rel=1e-3)
    assert losses[None] == losses[8.0]
    assert losses[None][1] > 0


def test_without_value_clipping_a_value_may_move_as_far_as_it_likes(tmp_path):
    """Values start at 0. With old values of 10 and returns of 0 the free error is 0 and the clipped one (9.8 - 0)^2;
    half of it is 48.02."""
    losses = []
    for clip in (0.2, None):
        trainer = begun(tiny_base("llama", tmp_path), tmp_path, cliprange_value=clip, vf_coef=1.0)
        data, zero = trainer._experience, torch.zeros_like(trainer._experience.returns)
        losses.append(
            loss_and_gradient(
                trainer, advantages=zero, returns=zero, old_values=torch.full_like(data.old_values, 10.0)
            )[0]
        )
    assert losses == [pytest.approx(9.8**2 / 2, rel=1e-5), pytest.approx(0.0, abs=1e-9)]


def test_an_update_ends_when_its_policy_is_too_far_from_the_rollouts(base, tmp_path):
    """An update has four steps. At the first the KL is 0. At the second it is above the target, so that step and the
    later ones are skipped."""
    options = {
        "updates": 2,
        "warmup_steps": 0,
        "learning_rate": 3e-2,
        "target_kl": 1e-6,
        "lr_scheduler_type": "constant",
    }
    trainer = ppo_trainer(
        base, ppo_config(tmp_path, **options, gradient_accumulation_steps=2, per_device_train_batch_size=2)
    )
    passes, before = Passes(trainer), [p.detach().clone() for p in trainer.model.parameters() if p.requires_grad]
    trainer.add_callback(passes)
    trainer.train()
    assert trainer.state.global_step == 8
    steps = [before, *passes.after]
    changed = [
        any(not torch.equal(a, b) for a, b in zip(before_step, after_step, strict=True))
        for before_step, after_step in zip(steps, steps[1:], strict=False)
    ]
    assert changed == [True, False, False, False] * 2
    assert [log["optimizer_steps"] for log in rollouts(trainer)] == [1, 1]
    assert all(log["approx_kl"] > 5e-7 for log in rollouts(trainer))  # mean over the two computed minibatches


def test_a_target_that_is_never_reached_changes_nothing(tmp_path):
    weights = []
    for target in (None, 1e6):
        base = tiny_base("llama", tmp_path)
        trainer = ppo_trainer(base, ppo_config(tmp_path, target_kl=target, warmup_steps=0))
        trainer.train()
        assert ("optimizer_steps" in rollouts(trainer)[0]) is (target is not None)
        weights.append(torch.cat([matrix.flatten() for matrix in base.parameters("policy")]))
    assert torch.equal(*weights)
