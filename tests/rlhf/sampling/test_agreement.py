# SPDX-License-Identifier: Apache-2.0
"""Sampler and trainer in bfloat16: they differ by unavoidable rounding only, and share one copy of the weights."""

from __future__ import annotations

import gc

import pytest
import torch

from reward.base import merging
from reward.base.frozen_base import Base
from reward.base.patches.lora_forward import LoraProduct
from reward.base.placement import Placement
from rlhf.ppo.actor_critic import ActorCritic, answer_batch
from rlhf.sampling import sampler
from rlhf.sampling.sampler import banned_ids, draw_uniforms, generate
from tests.support.ppo_parts import PROMPTS, tiny_base
from tests.support.tiny_model import make_tiny_model

SEEDS = (0, 1, 2)


def base_with_adapter(folder, seed, dtype=torch.float32):
    base = Base.load(
        make_tiny_model("llama", folder / str(seed), hidden=64, seed=seed), placement=Placement(dtype=dtype)
    )
    base.add_adapter("policy", trainable=True)
    torch.manual_seed(seed)
    for layer in base._layers:
        torch.nn.init.normal_(layer.lora_A["policy"].weight, std=0.15)
        torch.nn.init.normal_(layer.lora_B["policy"].weight, std=3e-3)
    return base


def difference(base, seed, bf16):
    """Return the mean difference of the sampler's and the trainer's log-probabilities of the same answers."""
    prompts = [base.encode_prompt(row["prompt"]) for row in PROMPTS[:8]]
    with base.role("policy"), torch.no_grad():
        noise, banned = draw_uniforms(seed, 0, range(8), 16), banned_ids(base)
        rollout = generate(base, prompts, noise, max_new_tokens=16, banned=banned, bf16=bf16)
        trainer, _, _ = ActorCritic(base, 1.0, bf16)(*answer_batch(base, prompts, rollout.ids))
    return (torch.tensor(sum(rollout.logps, [])) - trainer).abs().mean().item()


def rounded_product(ctx, x, weight, bias, down, up, scale):
    """Compute the product and the sum of a LoRA layer as before: in the precision of autocast or of the weights."""
    x = x.to(torch.bfloat16)
    merged = torch.addmm(weight, up.to(weight.dtype), down.to(weight.dtype), alpha=scale).to(x.dtype)
    return torch.nn.functional.linear(x, merged)


@pytest.mark.parametrize(("dtype", "share"), [(torch.float32, 1 / 3), (torch.bfloat16, 1 / 2)])
def test_the_sum_in_float32_leaves_a_fraction_of_the_difference(tmp_path, monkeypatch, dtype, share):
    """Measured: an eighth under mixed precision, a third with weights in bfloat16, whose activations differ more."""
    mixed = dtype == torch.float32
    bases = [base_with_adapter(tmp_path, seed, dtype) for seed in SEEDS]
    ours = sum(difference(base, seed, mixed) for base, seed in zip(bases, SEEDS, strict=True))
    monkeypatch.setattr(LoraProduct, "forward", staticmethod(rounded_product))
    monkeypatch.setattr(merging, "is_half", lambda weight: False)
    monkeypatch.setattr(sampler, "merges_exactly", lambda base: True)  # weights in bfloat16 were merged too
    former = sum(difference(base, seed, mixed) for base, seed in zip(bases, SEEDS, strict=True))
    assert ours < share * former


def test_in_float32_they_are_one(tmp_path):
    base = tiny_base("llama", tmp_path)
    base.add_adapter("policy", trainable=True)
    torch.manual_seed(0)
    for matrix in base.parameters("policy"):
        torch.nn.init.normal_(matrix, std=0.1)
    assert difference(base, 0, bf16=False) < 1e-5


def weight_bytes():
    """Return the bytes of all live tensors that are as large as a layer's weight."""
    gc.collect()
    storages = {
        x.untyped_storage().data_ptr(): x.untyped_storage().nbytes()
        for x in gc.get_objects()
        if isinstance(x, torch.Tensor) and x.numel() >= 64 * 64
    }
    return sum(storages.values())


@pytest.mark.parametrize(("dtype", "bf16"), [(torch.bfloat16, False), (torch.float32, True), (torch.float32, False)])
def test_sampling_holds_one_copy_of_half_precision_weights(tmp_path, monkeypatch, dtype, bf16):
    """Float32 weights are joined by merged ones: in float32, or in bfloat16 under mixed precision."""
    base = base_with_adapter(tmp_path, 0, dtype)
    sizes = [layer.get_base_layer().weight.numel() for layer in base._layers]
    merged = sum(size for size in sizes if size >= 64 * 64)
    held = {}
    monkeypatch.setattr(sampler, "decode", lambda *_: held.update(inside=weight_bytes()))
    before = weight_bytes()
    with base.role("policy"):
        generate(base, [[5, 6]], draw_uniforms(0, 0, range(1), 4), max_new_tokens=4, bf16=bf16)
    extra = 0 if dtype == torch.bfloat16 else merged * (2 if bf16 else 4)
    assert held["inside"] - before == pytest.approx(extra, abs=0.02 * before)
    assert weight_bytes() == pytest.approx(before, abs=0.02 * before)
