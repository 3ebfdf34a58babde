# SPDX-License-Identifier: Apache-2.0
"""A base that cannot be sharded is refused by name. `test_sharded_base` shards others over two processes."""

from __future__ import annotations

import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from torch import nn
from torch.utils.data import BatchSampler
from transformers import TrainingArguments

from data.errors import BadInput
from reward.base import distributed, sharding
from reward.base.architecture import decoder_layers
from reward.base.sharding import held_numbers, shard, whole
from tests.support.ppo_parts import tiny_base


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Return a model in what takes itself for one of two processes."""
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    return tiny_base("llama", tmp_path).causal


def refused(model, message):
    with pytest.raises(BadInput, match=message) as problem:
        shard(model, model)
    assert problem.value.field == "strategy"


def test_a_packed_weight_of_a_layer_is_refused(model):
    weight = nn.Parameter(torch.zeros(32, 16, dtype=torch.uint8), requires_grad=False)
    decoder_layers(model)[1].mlp.up_proj.weight = weight
    refused(model, r"the weight mlp\.up_proj\.weight of a layer is packed as Parameter")


def test_a_weight_that_two_layers_share_is_refused(model):
    first, second = decoder_layers(model)
    second.mlp.up_proj.weight = first.mlp.up_proj.weight
    refused(model, r"two layers share the weight mlp\.up_proj\.weight")


def test_a_model_without_a_list_of_layers_is_refused(model, monkeypatch):
    monkeypatch.setattr(sharding, "decoder_layers", lambda model: [])
    refused(model, "LlamaForCausalLM has no single list of decoder layers")


def test_one_process_has_nothing_to_share(model, monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 1)
    refused(model, "needs several processes")


def test_nothing_changes_for_a_run_that_does_not_ask(model):
    every = sum(weight.numel() for weight in model.parameters())
    shard(model, model, wanted=False)
    with whole(model):
        assert held_numbers(model) == every
    assert not hasattr(model, "_ddp_params_and_buffers_to_ignore")


@pytest.mark.parametrize("rows", range(1, 10))
def test_an_evaluation_by_a_trainer_has_equal_passes_in_all_processes(rows, tmp_path):
    """Outside of shards of work all processes gather a layer at once, and none may make one more pass."""
    assert TrainingArguments(str(tmp_path), use_cpu=True).accelerator_config.even_batches
    batches = BatchSampler(range(rows), batch_size=2, drop_last=False)
    shares = [list(BatchSamplerShard(batches, 2, number)) for number in range(2)]
    assert list(map(len, shares[0])) == list(map(len, shares[1]))
