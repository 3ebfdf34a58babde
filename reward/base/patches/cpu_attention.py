# SPDX-License-Identifier: Apache-2.0
"""Attention under mixed precision on a CPU, where torch's fused attention is slow.

With gradients the fused attention takes seven times as long in bfloat16 as in float32 (torch 2.13,
docs/benchmarks.md); matrix products take half as long. If all rows are short, attention therefore uses plain products,
at the cost of memory for the weights (B, H, T, T). Otherwise it uses the fused attention in float32. The choice is made
once for all rows, so a row's result never depends on the other rows of its batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    """Replace the fused attention of a model on a CPU, as above. A model with another attention keeps it.

    `longest` is the length in tokens of the longest training row.
    """
    if model.config._attn_implementation in ("sdpa", FUSED, PRODUCTS):
        model.set_attn_implementation(PRODUCTS if longest <= SHORT else FUSED)


@contextmanager
def with_fused_attention(model: PreTrainedModel) -> Iterator[None]:
    """Use the fused attention inside the block: sampling reads rows of any length, padded on the left."""
    if model.config._attn_implementation != PRODUCTS:
        yield
        return
    model.set_attn_implementation(FUSED)
    try:
        yield
    finally:
        model.set_attn_implementation(PRODUCTS)


def attention_dtype(states: Tensor) -> torch.dtype:
    """Return the precision in which attention reads cached keys and values.

    Under autocast it is float32 on a CPU and autocast's own on other devices. Without autocast it is that of `states`.
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
    **options: Any,  # noqa: ANN401 transformers passes options of many types through
) -> tuple[Tensor, None]:
    """Attend by torch's fused attention, on a CPU in float32; the signature is the one transformers calls.

    query (B, H, T, D), key and value (B, G, S, D); returns states (B, T, H, D) in the precision of the query.
    """
    if query.device.type != "cpu":  # checked per call, because a trainer may move the model later
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
    **options: Any,  # noqa: ANN401 transformers passes options of many types through
) -> tuple[Tensor, None]:
    """Attend by plain products if whole rows attend causally under autocast on a CPU, else by `_fused`.

    Shapes are those of `_fused`.
    """
    mixed = query.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    if mixed and query.shape[2] == key.shape[2] and mask is None and _causal(module, options):
        return _by_products(query, key, value, options.get("scaling")), None
    return _fused(module, query, key, value, mask, **options)


def _causal(module: nn.Module, options: Mapping[str, object]) -> bool:
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    return bool(causal) and not options.get("dropout") and options.get("position_bias") is None


def _by_products(query: Tensor, key: Tensor, value: Tensor, scaling: float | None) -> Tensor:
    """Return softmax(q k' s) v over each token and those before it, (B, T, H, D).

    The scores stay in float32. A term that all keys share, such as a bias, cancels in the softmax, but in bfloat16 it
    would cost the scores their digits.
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
