# SPDX-License-Identifier: Apache-2.0
"""The layers an adapter changes: every one of them learns, and for plain families they are PEFT's own choice."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedModel

from data.errors import BadInput
from reward.base.architecture import decoder_layers, find_trunk, trunk_width
from reward.base.lora_targets import capable_layers, linear_layers, lora_config
from tests.support.tiny_families import FAMILIES, random_family
from tests.support.tiny_model import KINDS, make_tiny_model

SAME_AS_PEFT = [*KINDS, *(kind for kind in FAMILIES if kind not in ("llama4", "falcon-h1", "jamba", "mamba", "mamba2"))]


def load(kind: str, folder) -> PreTrainedModel:
    if kind in FAMILIES:
        return random_family(kind)
    return AutoModelForCausalLM.from_pretrained(make_tiny_model(kind, folder))


def adapted(kind: str, folder, config=None) -> dict[str, torch.Tensor]:
    """Return the matrices of a fresh adapter by their names."""
    model = load(kind, folder)
    torch.manual_seed(7)
    wrapped = get_peft_model(model, config or lora_config(model, 4))
    return {name: matrix.detach() for name, matrix in wrapped.named_parameters() if "lora_" in name}


@pytest.mark.parametrize("kind", SAME_AS_PEFT)
def test_a_fresh_adapter_is_bit_for_bit_that_of_all_linear(kind, tmp_path):
    ours = adapted(kind, tmp_path)
    theirs = adapted(kind, tmp_path, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear"))
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("kind", [*KINDS, *FAMILIES])
def test_every_matrix_of_an_adapter_gets_a_gradient(kind, tmp_path):
    model = load(kind, tmp_path)
    wrapped = get_peft_model(model, lora_config(model, 2))
    matrices = {name: matrix for name, matrix in wrapped.named_parameters() if "lora_" in name}
    for matrix in matrices.values():
        torch.nn.init.normal_(matrix, std=0.1)
    rows = torch.arange(4, 68).view(2, 32)
    find_trunk(model)(input_ids=rows, use_cache=False).last_hidden_state.square().sum().backward()
    assert matrices
    assert [name for name, matrix in matrices.items() if matrix.grad is None or not matrix.grad.any()] == []


@pytest.mark.parametrize(
    ("kind", "left_out"),
    [
        ("falcon-h1", {"out_proj"}),  # refused by PEFT
        ("mamba2", {"out_proj"}),
        ("mamba", {"out_proj", "dt_proj"}),
        ("jamba", {"dt_proj"}),  # read as a bare weight
        ("llama4", {"router"}),  # returns two tensors
    ],
)
def test_layers_that_cannot_carry_an_adapter_are_left_out(kind, left_out):
    model = random_family(kind)
    assert {name.rpartition(".")[2] for name in set(linear_layers(model)) - capable_layers(model)} == left_out


@pytest.mark.parametrize("kind", [*KINDS, *FAMILIES])
def test_trunk_layers_and_width_are_found_in_every_family(kind, tmp_path):
    model = load(kind, tmp_path)
    assert len(decoder_layers(model)) == 2
    states = find_trunk(model)(input_ids=torch.arange(4)[None], use_cache=False).last_hidden_state
    assert states.shape[-1] == trunk_width(model)


def test_a_range_of_layers_and_names_limit_the_adapter(tmp_path):
    names = adapted("llama", tmp_path, lora_config(load("llama", tmp_path), 2, layers="1-"))
    assert names
    assert all(".layers.1." in name for name in names)
    model = load("gpt2", tmp_path / "gpt2")
    both = lora_config(model, 2, targets="c_attn, mlp.c_fc", layers="0", alpha=3, rslora=True)
    assert both.target_modules == ["transformer.h.0.attn.c_attn", "transformer.h.0.mlp.c_fc"]
    assert (both.lora_alpha, both.use_rslora) == (3, True)
    assert lora_config(model, 2, layers="0-1", targets="c_fc").target_modules == [
        "transformer.h.0.mlp.c_fc",
        "transformer.h.1.mlp.c_fc",
    ]


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"targets": "q_proj,gate"}, "targets", "no layer that can carry LoRA is called 'gate'"),
        ({"layers": "2-"}, "layers", "no range of layers"),
        ({"layers": "upper"}, "layers", "no range of layers"),
        ({"layers": "1-0"}, "layers", "no range of layers"),
        ({"layers": "1-2"}, "layers", "no range of layers"),
    ],
)
def test_targets_outside_the_model_are_refused(tmp_path, options, field, message):
    with pytest.raises(BadInput, match=message) as refused:
        lora_config(load("llama", tmp_path), 2, **options)
    assert refused.value.field == field


def test_experts_in_one_tensor_take_no_option_of_single_layers():
    model = random_family("qwen3moe")
    for options in ({"layers": "1-"}, {"dropout": 0.1}, {"dora": True}):
        with pytest.raises(BadInput, match="keeps its experts in one tensor"):
            lora_config(model, 2, **options)
    with pytest.raises(BadInput, match="up_proj"):
        lora_config(model, 2, targets="gate_proj")
    attention = lora_config(model, 2, targets="q_proj,v_proj", layers="1-", dropout=0.1, dora=True)
    assert attention.target_modules == ["model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.v_proj"]
    assert not attention.target_parameters


def test_targets_are_the_same_on_a_model_that_has_adapters(tmp_path):
    for kind in ("llama", "qwen3moe", "jamba"):
        model = load(kind, tmp_path / kind)
        fresh = capable_layers(model)
        get_peft_model(model, lora_config(model, 2), adapter_name="first")
        assert capable_layers(model) == fresh
