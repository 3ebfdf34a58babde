# SPDX-License-Identifier: Apache-2.0
"""Canaries: each test fails as soon as a new version of torch, transformers or PEFT changes what a patch relies on."""

from __future__ import annotations

import inspect

import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora import Linear, LoraLayer
from torch import nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from trl.kernels import chunked_logprob
from trl.trainer import utils as trainer_utils

from reward.base.frozen_base import Base
from reward.base.patches.cpu_attention import FUSED, PRODUCTS
from reward.base.patches.module_forward import replaced_forward
from tests.support.tiny_model import make_tiny_model


def test_upstream_torch_calls_forward_as_an_attribute_of_the_module():
    layer = nn.Linear(2, 2)
    own, x = layer(torch.ones(1, 2)), torch.ones(1, 2)
    with replaced_forward([layer], lambda states: 7 * states):
        assert layer(x).equal(7 * x), "torch no longer calls module.forward: see patches/module_forward.py"
    assert layer(x).equal(own)
    assert "forward" not in vars(layer)


def test_upstream_peft_reads_the_active_adapters_where_the_patch_sets_them(tmp_path):
    base = Base.load(make_tiny_model("llama", tmp_path))
    base.add_adapter("one")
    layer = next(module for module in base.causal.modules() if isinstance(module, LoraLayer))
    with base.role("one"):
        assert layer.active_adapters == ["one"], "PEFT no longer reads _active_adapter: see patches/lora_forward.py"
    assert layer.active_adapters == []


@pytest.mark.parametrize(
    "name",
    ["merged", "disable_adapters", "lora_A", "lora_B", "lora_dropout", "lora_bias", "lora_variant", "scaling"],
)
def test_upstream_peft_names_the_parts_of_a_lora_layer_as_the_patch_reads_them(name):
    layer = Linear(nn.Linear(2, 2), adapter_name="a", config=LoraConfig(), r=1)
    assert hasattr(layer, name), f"PEFT's LoRA layer has no {name}: see patches/lora_forward.py"


def test_upstream_transformers_names_the_attention_in_the_config(tmp_path):
    model = Base.load(make_tiny_model("llama", tmp_path)).causal
    model.set_attn_implementation("eager")
    assert model.config._attn_implementation == "eager", "see patches/cpu_attention.py"
    assert {FUSED, PRODUCTS} <= set(AttentionInterface().valid_keys()), "see patches/cpu_attention.py"


def test_upstream_transformers_calls_attention_with_the_arguments_that_the_patch_takes():
    names = list(inspect.signature(sdpa_attention_forward).parameters)
    assert names[:5] == ["module", "query", "key", "value", "attention_mask"], "see patches/cpu_attention.py"


def test_upstream_trl_reads_the_sizes_of_a_tile_where_the_patch_sets_them(monkeypatch):
    states, weight = torch.randn(6, 4, requires_grad=True), torch.randn(10, 4)
    targets = torch.randint(10, (6,))
    tiles = []
    fold = chunked_logprob._forward_tile
    monkeypatch.setattr(
        chunked_logprob,
        "_forward_tile",
        lambda tile, *rest, **named: tiles.append(tile.shape) or fold(tile, *rest, **named),
    )
    monkeypatch.setattr(chunked_logprob, "TOKEN_CHUNK_SIZE", 4)
    trainer_utils._ChunkedLogProbFunction.apply(states, weight, None, targets, 1.0, 8, None, 1.0, ("log_probs",))
    assert tiles == [(4, 8), (4, 2), (2, 8), (2, 2)], "TRL tiles in another way: see patches/trl_tiles.py"
