# SPDX-License-Identifier: Apache-2.0
"""Two adapters stacked into one do what merging one after the other does, in every layout that PEFT has."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict

from data.errors import BadInput
from reward.base.adapters import read_adapter, write_adapter
from reward.base.frozen_base import Base
from reward.base.lora_targets import lora_config
from reward.base.stacking import stack
from tests.support.tiny_families import FAMILIES, make_family, random_family
from tests.support.tiny_model import make_tiny_model


def load(kind, tmp_path):
    if kind in FAMILIES:
        return random_family(kind)
    return Base.load(make_tiny_model(kind, tmp_path / kind)).causal


def save_random(model, config, folder, seed):
    """Save an adapter with random matrices on a copy of the model's shape."""
    config.inference_mode = True
    wrapped = get_peft_model(model, config)
    torch.manual_seed(seed)
    for name, matrix in wrapped.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(matrix, std=0.1)
    write_adapter(folder, config, get_peft_model_state_dict(wrapped, save_embedding_layers=False))
    return folder


def logits(model):
    with torch.no_grad():
        return model(input_ids=torch.arange(4, 28).view(2, 12), use_cache=False).logits


CONFIGS = {
    "equal": lambda model: (lora_config(model, 4), lora_config(model, 4)),
    "another rank": lambda model: (lora_config(model, 2), lora_config(model, 5, alpha=3)),
    "rsLoRA": lambda model: (lora_config(model, 4, rslora=True), lora_config(model, 2)),
}


@pytest.mark.parametrize("configs", CONFIGS)
@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen3moe", "qwen3next", "deepseek3", "falcon-h1"])
def test_stacked_equals_merging_one_after_the_other(kind, configs, tmp_path):
    first, second = CONFIGS[configs](load(kind, tmp_path))
    _check_stack(kind, tmp_path, first, second)


def _check_stack(kind, tmp_path, first, second):
    one = save_random(load(kind, tmp_path), first, tmp_path / "one", 1)
    two = save_random(load(kind, tmp_path), second, tmp_path / "two", 2)
    merged = load(kind, tmp_path)
    bare = logits(merged)
    for folder in (one, two):
        merged = PeftModel.from_pretrained(merged, folder).merge_and_unload()
    write_adapter(tmp_path / "both", *stack(load(kind, tmp_path), read_adapter(one), read_adapter(two)))
    both = PeftModel.from_pretrained(load(kind, tmp_path), tmp_path / "both").eval()
    torch.testing.assert_close(logits(both), logits(merged), rtol=1e-5, atol=1e-5 * float(bare.abs().max()))
    assert not torch.allclose(logits(both), bare, atol=1e-2)


def test_adapters_of_different_layers_and_ranks_by_pattern_are_stacked(tmp_path):
    first = LoraConfig(r=2, lora_alpha=8, target_modules=["q_proj", "up_proj"], rank_pattern={"up_proj": 3})
    second = LoraConfig(r=3, lora_alpha=8, target_modules=["q_proj", "v_proj"], alpha_pattern={"0.self_attn.q_proj": 5})
    _check_stack("llama", tmp_path, first, second)


def test_an_adapter_of_the_embedding_is_stacked(tmp_path):
    first, second = (LoraConfig(r=rank, target_modules=["embed_tokens", "q_proj"]) for rank in (2, 3))
    _check_stack("llama", tmp_path, first, second)


@pytest.mark.parametrize("first", [("gate_up_proj",), ("down_proj",), ("gate_up_proj", "down_proj")])
def test_adapters_of_different_tensors_of_the_experts_are_stacked(first, tmp_path):
    _check_stack(
        "qwen3moe",
        tmp_path,
        LoraConfig(r=2, target_modules=["q_proj"], target_parameters=[f"experts.{name}" for name in first]),
        LoraConfig(r=3, target_modules=["v_proj"], target_parameters=["experts.down_proj"]),
    )


def test_a_stack_of_a_stack_fits_the_base_beside_a_fresh_adapter(tmp_path):
    folder = make_family("qwen3moe", tmp_path / "base")
    for number in (1, 2, 3):
        save_random(Base.load(folder).causal, lora_config(Base.load(folder).causal, 2), tmp_path / f"{number}", number)
    base = Base.load(folder)
    twice = stack(base.causal, read_adapter(tmp_path / "1"), read_adapter(tmp_path / "2"))
    write_adapter(tmp_path / "thrice", *stack(base.causal, twice, read_adapter(tmp_path / "3")))
    base.add_adapter("fresh", trainable=True)
    base.add_adapter("thrice", tmp_path / "thrice")
    batch = base.collate([[5, 6, 7, 8]])
    with torch.no_grad(), base.role("thrice"):
        result = base.logits(base.hidden(*batch))
    merged = Base.load(folder).causal
    for number in (1, 2, 3):
        merged = PeftModel.from_pretrained(merged, tmp_path / f"{number}").merge_and_unload()
    with torch.no_grad():
        torch.testing.assert_close(result, merged(batch[0]).logits, rtol=1e-4, atol=1e-4)


def test_dora_is_refused(tmp_path):
    one = save_random(load("llama", tmp_path), lora_config(load("llama", tmp_path), 2, dora=True), tmp_path / "one", 1)
    with pytest.raises(BadInput, match="DoRA"):
        stack(load("llama", tmp_path), read_adapter(one), read_adapter(one))
