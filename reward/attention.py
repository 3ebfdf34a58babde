"""Attention in float32 on a CPU while the layers around it compute in bfloat16.

There torch's fused attention takes seven times as long in bfloat16 as in float32 when gradients flow back (torch 2.13, docs/benchmarks.md),
while products of matrices take half as long: mixed precision pays only where attention stays out of it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "sdpa_in_float32"


def attend_in_float32(model: PreTrainedModel) -> None:
    """Have a model that uses torch's fused attention attend so wherever it stands on a CPU; one with another attention keeps that."""
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(NAME)


def _attend(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any) -> tuple[Tensor, None]:
    """transformers' signature: query (B, H, T, D), key and value (B, G, S, D); states (B, T, H, D) in the precision of the query."""
    if query.device.type != "cpu":  # asked here, since a trainer may move the model later
        return sdpa_attention_forward(module, query, key, value, mask, **options)
    with torch.autocast("cpu", enabled=False):
        states, weights = sdpa_attention_forward(module, query.float(), key.float(), value.float(), mask, **options)
    return states.to(query.dtype), weights


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
