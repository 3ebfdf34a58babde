"""Under mixed precision on a CPU short rows are attended to by plain products, longer ones in float32; else attention is the model's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import AttentionInterface

from reward.attention import NAME, _by_products, attend_on_a_cpu
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
    attend_on_a_cpu(causal)
    ours = gradients(causal, mask)
    assert ours[0] == loss
    assert all(torch.equal(ours[1][name], grad) for name, grad in theirs.items())


@pytest.mark.parametrize("groups", [1, 2])
def test_plain_products_are_torchs_fused_attention(groups):
    torch.manual_seed(0)
    query, grad = torch.randn(2, 4, 9, 8, dtype=torch.float64, requires_grad=True), torch.randn(2, 9, 4, 8, dtype=torch.float64)
    key, value = (torch.randn(2, 4 // groups, 9, 8, dtype=torch.float64, requires_grad=True) for _ in range(2))
    fused = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=0.3, enable_gqa=True).transpose(1, 2)
    ours = _by_products(query, key, value, 0.3)
    assert torch.allclose(ours, fused, atol=1e-12)
    given = (query, key, value)
    for mine, theirs in zip(torch.autograd.grad(ours, given, grad), torch.autograd.grad(fused, given, grad), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-12)
    unscaled = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
    assert torch.allclose(_by_products(query, key, value, None).transpose(1, 2), unscaled, atol=1e-12)


def test_short_rows_are_about_as_accurate_as_under_torchs_own_mixed_precision(causal):
    """Loss and gradients against those in float32: twice the error that torch's own attention makes would be too much."""

    def error():
        with torch.autocast("cpu", torch.bfloat16):
            loss, grads = gradients(causal)
        assert abs(loss - exact[0]) < 0.01
        return torch.cat([(grads[name] - grad).flatten() for name, grad in exact[1].items()]).norm()

    exact = gradients(causal)
    theirs = error()
    attend_on_a_cpu(causal)
    assert error() < 2 * theirs


def fused_calls(model, monkeypatch, **given):
    seen = []
    fused = nn.functional.scaled_dot_product_attention

    def watched(*given, **options):
        seen.append((given[0].dtype, torch.is_autocast_enabled("cpu")))
        return fused(*given, **options)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", watched)
    attend_on_a_cpu(model)
    with torch.autocast("cpu", torch.bfloat16):
        model(IDS, **given)
    return seen


def test_under_mixed_precision_longer_rows_are_attended_to_in_float32(tmp_path, monkeypatch):
    monkeypatch.setattr("reward.attention.SHORT", 29)
    assert set(fused_calls(tiny_base("llama", tmp_path).causal, monkeypatch)) == {(torch.float32, False)}


def test_under_mixed_precision_short_rows_do_without_the_fused_attention(tmp_path, monkeypatch):
    assert fused_calls(tiny_base("llama", tmp_path).causal, monkeypatch) == []


def test_what_is_not_plainly_causal_is_left_to_the_fused_attention(tmp_path, monkeypatch):
    """A mask, a model that looks ahead, dropout."""
    model = tiny_base("llama", tmp_path).causal
    left = torch.ones_like(IDS)
    left[1, :5] = 0
    assert fused_calls(model, monkeypatch, attention_mask=left)
    assert fused_calls(model, monkeypatch, is_causal=False)
    for module in model.modules():
        module.attention_dropout = 0.5
    assert fused_calls(model.train(), monkeypatch)


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
    attend_on_a_cpu(model)
    assert model.config._attn_implementation == "eager"
    model.set_attn_implementation("sdpa")
    attend_on_a_cpu(model)
    model.save_pretrained(tmp_path / "saved")
    assert NAME not in (tmp_path / "saved" / "config.json").read_text()
