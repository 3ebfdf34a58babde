# SPDX-License-Identifier: Apache-2.0
"""An adapter's effect is the same merged and unmerged, and a layer for which it is not is seen."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig

from reward.base.frozen_base import Base
from reward.base.lora_targets import lora_config
from reward.base.merging import merged_difference, merges_exactly
from rlhf.sampling.sampler import draw_uniforms, generate
from tests.support.tiny_families import FAMILIES, make_family
from tests.support.tiny_model import make_tiny_model


def adapted(kind, folder, config=None):
    base = Base.load((make_family if kind in FAMILIES else make_tiny_model)(kind, folder))
    base.add_adapter("policy", config=config or lora_config(base.causal, 2))
    torch.manual_seed(1)
    for matrix in base.parameters("policy"):
        torch.nn.init.normal_(matrix, std=0.1)
    return base


@pytest.mark.parametrize(
    "kind", ["llama", "gpt2", *(kind for kind in FAMILIES if kind not in ("mamba", "mamba2", "bloom"))]
)
def test_adapters_of_every_family_do_the_same_merged(kind, tmp_path):
    base = adapted(kind, tmp_path)
    before = {name: tensor.clone() for name, tensor in base.causal.state_dict().items()}
    with base.role("policy"):
        assert merged_difference(base) < 1e-5
    assert all(torch.equal(tensor, before[name]) for name, tensor in base.causal.state_dict().items())
    assert base.active is None


def test_a_layer_that_is_read_past_its_adapter_is_seen(tmp_path):
    base = adapted("jamba", tmp_path, LoraConfig(r=2, lora_alpha=64, target_modules=["dt_proj"]))
    with base.role("policy"):
        assert merged_difference(base) > 1e-3


def test_sampling_keeps_such_a_fresh_adapter_unmerged_and_says_so_once(tmp_path, caplog):
    base = Base.load(make_family("jamba", tmp_path))
    base.add_adapter("policy", config=LoraConfig(r=2, lora_alpha=64, target_modules=["dt_proj"]))
    before = [matrix.clone() for matrix in base.parameters("policy")]
    noise = draw_uniforms(0, 0, range(1), 4)
    with base.role("policy"):
        assert merged_difference(base) == 0, "the second matrices of a fresh adapter are 0"
        for _ in range(2):
            generate(base, [[1, 2, 3]], noise, max_new_tokens=4)
        assert not merges_exactly(base)
    assert caplog.text.count("sampling keeps the adapter beside the weights") == 1
    assert all(torch.equal(*pair) for pair in zip(base.parameters("policy"), before, strict=True))


def test_sampling_merges_an_adapter_that_does_the_same_and_draws_no_random_number(tmp_path, caplog):
    base = adapted("llama", tmp_path)
    before = torch.random.get_rng_state()
    with base.role("policy"):
        assert merges_exactly(base)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert caplog.text == ""


def test_dora_and_rslora_do_the_same_merged(tmp_path):
    for name, options in (("dora", {"dora": True}), ("rslora", {"rslora": True})):
        base = Base.load(make_tiny_model("llama", tmp_path / name))
        base.add_adapter(name, config=lora_config(base.causal, 2, **options))
        for matrix in base.parameters(name):
            torch.nn.init.normal_(matrix, std=0.1)
        with base.role(name):
            assert merged_difference(base) < 1e-5
