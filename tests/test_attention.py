"""Under mixed precision on a CPU attention is computed in float32, and is the one that the model had."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import AttentionInterface

from reward.attention import NAME, attend_in_float32
from tests.ppo_parts import tiny_base

KINDS = ["llama", "qwen2", "gpt2", "gemma2"]
IDS = torch.arange(3, 63).view(2, 30) % 50


@pytest.fixture(params=KINDS)
def causal(request, tmp_path):
    return tiny_base(request.param, tmp_path).causal.requires_grad_(True)


def gradients(model, mask=None):
    model.zero_grad()
    loss = model(IDS, attention_mask=mask, labels=IDS, use_cache=False).loss
    loss.backward()
    return loss.item(), {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("padded", [False, True])
def test_without_mixed_precision_loss_and_gradients_are_to_the_bit_those_of_torchs_own(causal, padded):
    mask = (torch.arange(30) < torch.tensor([[30], [21]])).long() if padded else None
    loss, theirs = gradients(causal, mask)
    attend_in_float32(causal)
    ours = gradients(causal, mask)
    assert ours[0] == loss
    assert all(torch.equal(ours[1][name], grad) for name, grad in theirs.items())


def test_under_mixed_precision_attention_sees_float32(tmp_path, monkeypatch):
    model, seen = tiny_base("llama", tmp_path).causal, []
    fused = nn.functional.scaled_dot_product_attention

    def watched(*given, **options):
        seen.append((given[0].dtype, torch.is_autocast_enabled("cpu")))
        return fused(*given, **options)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", watched)
    attend_in_float32(model)
    with torch.autocast("cpu", torch.bfloat16):
        model(IDS)
    assert set(seen) == {(torch.float32, False)}


def test_elsewhere_than_on_a_cpu_attention_stays_in_mixed_precision(monkeypatch):
    """`meta` stands for another device: where a model stands is asked when it attends, not when it was made."""
    seen = []
    monkeypatch.setattr("reward.attention.sdpa_attention_forward", lambda module, query, *rest, **options: seen.append(query.dtype) or (query, None))
    states = torch.zeros(1, 2, 3, 4, device="meta", dtype=torch.bfloat16)
    AttentionInterface()[NAME](nn.Module(), states, states, states, None)
    here = torch.zeros(1, 2, 3, 4, dtype=torch.bfloat16)
    AttentionInterface()[NAME](nn.Module(), here, here, here, None)
    assert seen == [torch.bfloat16, torch.float32]


def test_a_model_with_another_attention_keeps_it_and_a_saved_one_does_not_name_ours(tmp_path):
    model = tiny_base("llama", tmp_path).causal
    model.set_attn_implementation("eager")
    attend_in_float32(model)
    assert model.config._attn_implementation == "eager"
    model.set_attn_implementation("sdpa")
    attend_in_float32(model)
    model.save_pretrained(tmp_path / "saved")
    assert NAME not in (tmp_path / "saved" / "config.json").read_text()
