# SPDX-License-Identifier: Apache-2.0
"""Gradient checkpointing of PPO. docs/ppo-checks.md lists the reports by number."""

from __future__ import annotations

import pytest
import torch
from transformers.modeling_layers import GradientCheckpointingLayer

from data.errors import BadInput
from rlhf.ppo.update import compute_losses
from tests.support.ppo_parts import begun, ppo_config, ppo_trainer, rollouts, shake, starting_adapter, tiny_base


@pytest.mark.parametrize("critic", ["joint", "adapter"])
def test_bug_04_gradient_checkpointing_is_done_without_train_mode_and_changes_no_gradient(tmp_path, critic):
    """The critic's layers are computed again under the critic's adapter, though the policy is active by then."""

    def gradients(**options):
        base = tiny_base("llama", tmp_path)
        trainer = begun(base, tmp_path, start=starting_adapter(base, tmp_path), critic=critic, **options)
        if trainer.args.activation_checkpointing:
            trainer.model.activation_checkpointing_enable()
        if critic == "adapter":
            shake(base, "value")
        torch.nn.init.ones_(trainer.model.value_head.weight)
        layers = counted_calls(base)
        with base.role("policy"):
            data = trainer._experience.select([0, 1, 2], base.device)
            loss, _ = compute_losses(trainer.model, base, data, trainer.args)
            loss.backward()
        assert not base.causal.training
        return layers, {name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None}

    kept, plain = gradients()
    again, checkpointed = gradients(activation_checkpointing=True)
    assert len(again) == 2 * len(kept)
    assert plain.keys() == checkpointed.keys()
    assert all(torch.equal(plain[name], checkpointed[name]) for name in plain)


def test_bug_04_the_training_loop_switches_gradient_checkpointing_on_and_trains_the_same(tmp_path):
    def trained(**options):
        base = tiny_base("llama", tmp_path)
        trainer = ppo_trainer(base, ppo_config(tmp_path, **options))
        layers = counted_calls(base)
        trainer.train()
        return len(layers), [log["grad_norm"] for log in rollouts(trainer)]

    (plain, norms), (checkpointed, same) = trained(), trained(activation_checkpointing=True)
    assert checkpointed > plain
    assert same == norms


def test_bug_04_every_other_layer_can_be_kept_and_an_offload_is_refused(tmp_path):
    base = tiny_base("llama", tmp_path)
    trainer = begun(base, tmp_path)
    layers = [module for module in base.causal.modules() if isinstance(module, GradientCheckpointingLayer)]
    trainer.model.activation_checkpointing_enable(every_n_layers=2)
    assert ["forward" in vars(layer) for layer in layers] == [True, False] * (len(layers) // 2)
    with pytest.raises(BadInput, match="offload"):
        trainer.model.activation_checkpointing_enable(offload=True)


def counted_calls(base):
    """Return a list that grows with every computation of the first layer's feed-forward part."""
    calls = []
    next(m for m in base.causal.modules() if type(m).__name__ == "LlamaMLP").register_forward_pre_hook(
        lambda *_: calls.append(1)
    )
    return calls
