# SPDX-License-Identifier: Apache-2.0
"""Measure whether an adapter has the same effect in the weights as beside them."""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from peft.tuners.lora.layer import ParamWrapper

from reward.base.frozen_base import Base

PROBE = 16
"""Tokens of the row that the two are compared on."""


@torch.no_grad()
def merged_difference(base: Base, role: str) -> float:
    """Return the largest difference between the logits of an adapter unmerged and merged, over the largest logit.

    Rounding gives about 1e-6 in float32. More means that the model reads a weight past its layer, so that sampling with
    merged weights and training differ. The weights have their former bits afterwards; quantised ones stay unmerged.
    """
    ids = torch.arange(PROBE, device=base.device)[None] % base.encoding.rows
    mask = torch.ones_like(ids, dtype=torch.bool)
    layers: list[Any] = [  # LoraLayer itself does not declare `merge`; its subclasses do
        layer
        for layer in base.causal.modules()
        if isinstance(layer, LoraLayer) and (role in layer.lora_A or role in layer.lora_embedding_A)
    ]
    layers = [layer for layer in layers if _weight(layer).is_floating_point()]
    weights = [_weight(layer).detach().clone() for layer in layers]
    with base.role(role):
        unmerged = base.logits(base.hidden(ids, mask))
        try:
            for layer in layers:
                layer.merge(adapter_names=[role])
            merged = base.logits(base.hidden(ids, mask))
        finally:
            for layer, weight in zip(layers, weights, strict=True):
                layer.merged_adapters.clear()
                _weight(layer).data.copy_(weight)
    return float((unmerged - merged).abs().max() / unmerged.abs().max())


def _weight(layer: LoraLayer) -> torch.Tensor:
    weight = layer.get_param() if isinstance(layer, ParamWrapper) else layer.get_base_layer().weight
    assert isinstance(weight, torch.Tensor), "LoRA changes one matrix of a layer"
    return weight
