# SPDX-License-Identifier: Apache-2.0
"""Attention under mixed precision on a CPU, where torch's own fused attention is at its worst.

With gradients it takes seven times as long in bfloat16 as in float32 (torch 2.13, docs/benchmarks.md), while
products of matrices take half as long. Where all rows are short they are therefore attended to by plain products,
which spends memory on the weights (B, H, T, T), and otherwise by the fused attention in float32. The way is chosen
once, for all rows: what a row gets never depends on those beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

FUSED, PRODUCTS = "fused_on_a_cpu", "products_on_a_cpu"
SHORT = 128
"""Tokens up to which plain products are faster than the fused attention."""


def choose_cpu_attention(model: PreTrainedModel, longest: int) -> None:
    """Have a model that uses torch's fused attention attend as above wherever it stands on a CPU.

    One with another attention keeps that.

    `longest` is the length in tokens of the longest row that it will be trained on.
    """
    if model.config._attn_implementation in ("sdpa", FUSED, PRODUCTS):
        model.set_attn_implementation(PRODUCTS if longest <= SHORT else FUSED)


@contextmanager
def with_fused_attention(model: PreTrainedModel) -> Iterator[None]:
    """For sampling, where rows of any length are read and padded on the left."""
    if model.config._attn_implementation != PRODUCTS:
        yield
        return
    model.set_attn_implementation(FUSED)
    try:
        yield
    finally:
        model.set_attn_implementation(PRODUCTS)


def attention_dtype(states: Tensor) -> torch.dtype:
    """Return the precision in which attention reads kept keys and values.

    Float32 under autocast on a CPU, autocast's elsewhere, else their own.
    """
    device = states.device.type
    if not torch.is_autocast_enabled(device):
        return states.dtype
    return torch.float32 if device == "cpu" else torch.get_autocast_dtype(device)


def _fused(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    **options: Any,  # noqa: ANN401 (passed through)
) -> tuple[Tensor, None]:
    """Return transformers' signature: query (B, H, T, D), key and value (B, G, S, D).

    States (B, T, H, D) in the precision of the query.
    """
    if query.device.type != "cpu":  # asked here, since a trainer may move the model later
        return sdpa_attention_forward(module, query, key, value, mask, **options)
    with torch.autocast("cpu", enabled=False):
        states, weights = sdpa_attention_forward(module, query.float(), key.float(), value.float(), mask, **options)
    return states.to(query.dtype), weights


def _products(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    **options: Any,  # noqa: ANN401 (passed through)
) -> tuple[Tensor, None]:
    """Return the same signature.

    What is not a whole row that sees the tokens before it, and nothing else, is left to the fused attention.
    """
    mixed = query.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    if mixed and query.shape[2] == key.shape[2] and mask is None and _causal(module, options):
        return _by_products(query, key, value, options.get("scaling")), None
    return _fused(module, query, key, value, mask, **options)


def _causal(module: nn.Module, options: dict[str, Any]) -> bool:
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    return causal and not options.get("dropout") and options.get("position_bias") is None


def _by_products(query: Tensor, key: Tensor, value: Tensor, scaling: float | None) -> Tensor:
    """softmax(q k' s) v over the tokens up to each, (B, T, H, D).

    The scores stay in float32: what all keys add to them, a bias say, falls out of the softmax, and would cost
    their digits in bfloat16.
    """
    groups = query.shape[1] // key.shape[1]
    later = torch.full((query.shape[2], key.shape[2]), float("-inf")).triu(1)
    with torch.autocast("cpu", enabled=False):
        key, wide = repeat_kv(key, groups), torch.promote_types(query.dtype, torch.float32)
        scores = (query.to(wide) * (scaling or query.shape[-1] ** -0.5)) @ key.to(wide).mT
        weights = (scores + later).softmax(-1)
    return (weights @ repeat_kv(value, groups)).transpose(1, 2).contiguous()


for _name, _attend in ((FUSED, _fused), (PRODUCTS, _products)):
    AttentionInterface.register(_name, _attend)
    AttentionMaskInterface.register(_name, sdpa_mask)
