# SPDX-License-Identifier: Apache-2.0
"""Under mixed precision on a CPU short rows are attended to by plain products, longer ones in float32; else attention is the model's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import AttentionInterface

from reward.base.patches.cpu_attention import FUSED, PRODUCTS, _by_products, choose_cpu_attention, with_fused_attention
from tests.support.ppo_parts import tiny_base

KINDS = ["llama", "qwen2", "gpt2"]  # transformers attends in Gemma 2 without torch's fused attention
IDS = torch.arange(3, 63).view(2, 30) % 50


@pytest.fixture(params=KINDS)
def causal(request, tmp_path):
    return tiny_base(request.param, tmp_path).causal.requires_grad_(True)


def gradients(model, mask=None):
    model.zero_grad()
    loss = model(IDS, attention_mask=mask, labels=IDS, use_cache=False).loss
    loss.backward()
    return loss.item(), {
        name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None
    }


@pytest.mark.parametrize("padded", [False, True])
def test_without_mixed_precision_loss_and_gradients_are_to_the_bit_those_of_torchs_own(causal, padded):
    mask = (torch.arange(30) < torch.tensor([[30], [21]])).long() if padded else None
    loss, theirs = gradients(causal, mask)
    for longest, name in ((30, PRODUCTS), (1000, FUSED)):
        choose_cpu_attention(causal, longest)
        assert causal.config._attn_implementation == name
        ours = gradients(causal, mask)
        assert ours[0] == loss
        assert all(torch.equal(ours[1][name], grad) for name, grad in theirs.items())


@pytest.mark.parametrize("groups", [1, 2])
def test_plain_products_are_torchs_fused_attention(groups):
    torch.manual_seed(0)
    query, grad = (
        torch.randn(2, 4, 9, 8, dtype=torch.float64, requires_grad=True),
        torch.randn(2, 9, 4, 8, dtype=torch.float64),
    )
    key, value = (torch.randn(2, 4 // groups, 9, 8, dtype=torch.float64, requires_grad=True) for _ in range(2))
    fused = nn.functional.scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=0.3, enable_gqa=True
    ).transpose(1, 2)
    ours = _by_products(query, key, value, 0.3)
    assert torch.allclose(ours, fused, atol=1e-12)
    given = (query, key, value)
    for mine, theirs in zip(
        torch.autograd.grad(ours, given, grad), torch.autograd.grad(fused, given, grad), strict=True
    ):
        assert torch.allclose(mine, theirs, atol=1e-12)
    unscaled = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
    assert torch.allclose(_by_products(query, key, value, None).transpose(1, 2), unscaled, atol=1e-12)


def test_short_rows_are_about_as_accurate_as_under_torchs_own_mixed_precision(causal):
    """Loss and gradients, tensor by tensor, against those in float32."""

    def error():
        with torch.autocast("cpu", torch.bfloat16):
            loss, grads = gradients(causal)
        assert abs(loss - exact[0]) < 0.01
        return sum((grads[name] - grad).norm() / grad.norm() for name, grad in exact[1].items() if grad.norm() > 0)

    exact = gradients(causal)
    theirs = error()
    choose_cpu_attention(causal, 30)
    assert error() < 1.5 * theirs


def test_what_all_keys_add_to_the_scores_costs_no_digits():
    """A bias of the keys falls out of the softmax; scores of several hundred would lose it in bfloat16."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 2, 64, 64) for _ in range(3))
    query[..., 0] += 8
    key[..., 0] += 300
    given = [states.bfloat16() for states in (query, key, value)]
    exact = _by_products(*(states.double() for states in given), None)
    with torch.autocast("cpu", torch.bfloat16):
        result = _by_products(*given, None).double()
    assert (result - exact).norm() < 0.01 * exact.norm()


def test_a_row_gets_the_same_whatever_stands_beside_it(tmp_path):
    """Up to what padding does to roundings: the way to attend is chosen for all rows at once."""
    model = tiny_base("llama", tmp_path).causal
    choose_cpu_attention(model, 60)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        alone = model(IDS[:1], use_cache=False).logits
        padded = model(torch.nn.functional.pad(IDS, (0, 30)), use_cache=False).logits[:1, :30]
    assert (alone - padded).abs().max() < 0.02 * alone.abs().max()


def fused_calls(model, monkeypatch, longest=30, **given):
    seen = []
    fused = nn.functional.scaled_dot_product_attention

    def watched(*given, **options):
        seen.append((given[0].dtype, torch.is_autocast_enabled("cpu")))
        return fused(*given, **options)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", watched)
    choose_cpu_attention(model, longest)
    with torch.autocast("cpu", torch.bfloat16):
        model(IDS, **given)
    return set(seen)


def test_where_a_row_is_long_all_are_attended_to_in_float32(tmp_path, monkeypatch):
    assert fused_calls(tiny_base("llama", tmp_path).causal, monkeypatch, longest=129) == {(torch.float32, False)}


def test_where_all_rows_are_short_they_do_without_the_fused_attention_but_for_sampling(tmp_path, monkeypatch):
    model = tiny_base("llama", tmp_path).causal
    assert fused_calls(model, monkeypatch, longest=128) == set()
    with with_fused_attention(model):
        assert model.config._attn_implementation == FUSED
    with pytest.raises(RuntimeError), with_fused_attention(model):
        raise RuntimeError
    assert model.config._attn_implementation == PRODUCTS


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


@pytest.mark.parametrize("name", [FUSED, PRODUCTS])
def test_elsewhere_than_on_a_cpu_attention_stays_in_mixed_precision(name, monkeypatch):
    """`meta` stands for another device: where a model stands is asked when it attends, not when it was made."""
    seen = []
    monkeypatch.setattr(
        "reward.base.patches.cpu_attention.sdpa_attention_forward",
        lambda module, query, *rest, **options: seen.append(query.dtype) or (query, None),
    )
    states = torch.zeros(1, 2, 3, 4, device="meta", dtype=torch.bfloat16)
    AttentionInterface()[name](nn.Module(), states, states, states, None)
    here = torch.zeros(1, 2, 3, 4, dtype=torch.bfloat16)
    AttentionInterface()[name](nn.Module(), here, here, here, None)
    assert seen == [torch.bfloat16, torch.float32]


def test_a_model_with_another_attention_keeps_it_and_a_saved_one_does_not_name_ours(tmp_path):
    model = tiny_base("llama", tmp_path).causal
    model.set_attn_implementation("eager")
    choose_cpu_attention(model, 30)
    assert model.config._attn_implementation == "eager"
    model.set_attn_implementation("sdpa")
    choose_cpu_attention(model, 30)
    model.save_pretrained(tmp_path / "saved")
    assert PRODUCTS not in (tmp_path / "saved" / "config.json").read_text()
