"""Attention under mixed precision on a CPU, where torch's own fused attention is at its worst.

With gradients it takes seven times as long in bfloat16 as in float32 (torch 2.13, docs/benchmarks.md), while products of matrices take
half as long. Short rows are therefore attended to by plain products in bfloat16, which spends memory on the weights (B, H, T, T), and
longer ones by the fused attention in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "sdpa_on_a_cpu"
SHORT = 128
"""Tokens up to which plain products are faster than the fused attention."""


def attend_on_a_cpu(model: PreTrainedModel) -> None:
    """Have a model that uses torch's fused attention attend as above wherever it stands on a CPU; one with another attention keeps that."""
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(NAME)


def attended_in(states: Tensor) -> torch.dtype:
    """The precision in which attention reads kept keys and values: float32 under autocast on a CPU, autocast's elsewhere, else their own."""
    device = states.device.type
    if not torch.is_autocast_enabled(device):
        return states.dtype
    return torch.float32 if device == "cpu" else torch.get_autocast_dtype(device)


def _attend(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any) -> tuple[Tensor, None]:
    """transformers' signature: query (B, H, T, D), key and value (B, G, S, D); states (B, T, H, D)."""
    if query.device.type != "cpu":  # asked here, since a trainer may move the model later
        return sdpa_attention_forward(module, query, key, value, mask, **options)
    if torch.is_autocast_enabled("cpu") and 1 < query.shape[2] == key.shape[2] <= SHORT and _plainly_causal(module, mask, options):
        return _by_products(query, key, value, options.get("scaling")), None
    with torch.autocast("cpu", enabled=False):
        states, weights = sdpa_attention_forward(module, query.float(), key.float(), value.float(), mask, **options)
    return states.to(query.dtype), weights


def _plainly_causal(module: nn.Module, mask: Tensor | None, options: dict[str, Any]) -> bool:
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    return causal and mask is None and not options.get("dropout") and options.get("position_bias") is None


def _by_products(query: Tensor, key: Tensor, value: Tensor, scaling: float | None) -> Tensor:
    """softmax(q k' s) v over the tokens up to each; autocast rounds what goes into a product, the softmax stays in float32."""
    groups = query.shape[1] // key.shape[1]
    later = torch.full((query.shape[2], key.shape[2]), float("-inf")).triu(1)
    scores = (query * (scaling or query.shape[-1] ** -0.5)) @ repeat_kv(key, groups).mT
    return ((scores + later).softmax(-1) @ repeat_kv(value, groups)).transpose(1, 2)


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
