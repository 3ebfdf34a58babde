# SPDX-License-Identifier: Apache-2.0
"""Optimizer steps: their number, gradients, learning rates, and the rows of each forward pass."""

from __future__ import annotations

import pytest
import torch

from rlhf.ppo.rollout import choose_prompt_rows, minibatch_plan
from tests.support.ppo_parts import (
    Passes,
    policy_weights,
    ppo_config,
    ppo_trainer,
    rollouts,
    tiny_base,
)


@pytest.mark.parametrize(("epochs", "batch", "accumulated", "expected"), [(1, 8, 1, 1), (2, 4, 1, 4), (3, 2, 2, 6)])
def test_check_23_a_minibatch_is_an_optimizer_step(base, tmp_path, epochs, batch, accumulated, expected):
    """Bug 2 too."""
    options = {
        "num_ppo_epochs": epochs,
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": accumulated,
    }
    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=2, **options))
    passes = Passes(trainer)
    trainer.add_callback(passes)
    trainer.train()
    assert trainer.args.steps_per_update == expected  # epochs x (8 answers / minibatch)
    assert len(passes.after) == trainer.state.global_step == 2 * expected


def test_check_24_four_small_passes_give_the_gradient_of_one_large_one(tmp_path):
    """Bugs 19 and 34 too."""
    weights = []
    for batch, accumulated in ((8, 1), (2, 4)):
        base = tiny_base("llama", tmp_path)
        options = {
            "num_ppo_epochs": 1,
            "per_device_train_batch_size": batch,
            "gradient_accumulation_steps": accumulated,
            "warmup_steps": 0,
        }
        trainer = ppo_trainer(base, ppo_config(tmp_path, max_new_tokens=60, **options))
        passes = Passes(trainer)
        trainer.add_callback(passes)
        trainer.train()
        lengths = trainer._experience.mask.sum(1)
        assert lengths.min() < lengths.max()  # ragged, or a mean of means would pass as well
        weights.append(torch.cat([tensor.flatten() for tensor in passes.after[0]]))
    assert torch.allclose(*weights, atol=1e-5)


def test_every_epoch_trains_every_answer_once_and_passes_are_of_like_length(tmp_path):
    args = ppo_config(tmp_path, num_ppo_epochs=2, per_device_train_batch_size=2, gradient_accumulation_steps=2)
    lengths = [9, 1, 8, 2, 7, 3, 6, 4]
    plan = minibatch_plan(args, 0, lengths)
    assert [len(rows) for rows in plan] == [2] * 8
    assert sorted(sum(plan[:4], [])) == sorted(sum(plan[4:], [])) == list(range(8))
    for first, second in zip(plan[::2], plan[1::2], strict=True):  # the two passes of a minibatch
        assert max(lengths[row] for row in first) < min(lengths[row] for row in second)


def test_prompts_are_answered_once_in_each_pass_over_them():
    seen = sum((choose_prompt_rows(3, update, 4, 8) for update in range(4)), [])
    assert sorted(seen[:8]) == sorted(seen[8:]) == list(range(8))
    assert seen[:8] != seen[8:]


def test_check_22_max_grad_norm_is_honoured(tmp_path):
    """Adam divides by the gradient's size plus epsilon. A gradient clipped to 1e-12 is far below epsilon, 1e-5: the
    step is close to zero."""
    moved = []
    for limit in (1e-12, 1.0):
        base = tiny_base("llama", tmp_path)
        trainer = ppo_trainer(base, ppo_config(tmp_path, max_grad_norm=limit))
        passes = Passes(trainer)
        trainer.add_callback(passes)
        before = policy_weights(base)
        trainer.train()
        matrices = [p for name, p in trainer.model.named_parameters() if p.requires_grad and "policy" in name]
        moved.append((torch.cat([t.flatten() for t in passes.after[-1][: len(matrices)]]) - before).abs().max().item())
    assert moved[0] < 1e-8
    assert moved[1] > 1e-4


def test_check_21_adam_has_epsilon_1e_5_and_the_rate_falls_to_zero(base, tmp_path):
    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=3, learning_rate=1e-2))
    trainer.train()
    assert trainer.optimizer.param_groups[0]["eps"] == 1e-5
    rates = [log["learning_rate"] for log in rollouts(trainer)]
    assert rates == sorted(rates, reverse=True)
    assert trainer.lr_scheduler.get_last_lr()[0] == 0
