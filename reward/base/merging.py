# SPDX-License-Identifier: Apache-2.0
"""Adapters merged into weights for good, or into float32 weights for a while.

A probe measures whether they have the same effect there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import PreTrainedModel

from reward.base.frozen_base import Base
from reward.base.patches.lora_forward import is_half
from reward.base.sharding import change_layers, is_sharded

log = logging.getLogger(__name__)
PROBE = 16
"""Tokens of the row that the two are compared on."""
SPREAD = 0.05
"""Standard deviation of the probe's second matrices. A fresh adapter's are 0, which would hide every difference."""
TOLERANCE = 1e-3
"""Largest difference in float32, relative to the largest state; rounding gives about 1e-6."""
_exact: WeakKeyDictionary[Base, dict[tuple[str | None, int], bool]] = WeakKeyDictionary()


@contextmanager
def merged_adapter(base: Base, dtype: torch.dtype | None = None) -> Iterator[None]:
    """Merge the active LoRA adapter into the float32 weights inside the block; afterwards they have their former bits.

    Merged weights are rounded to `dtype`, if given, layer by layer. Weights in half precision and quantised ones are
    not merged: there is one copy of them.
    """
    former: list[tuple[Any, Tensor]] = []
    try:
        for layer in _merging_layers(base):
            weight = layer.get_base_layer().weight
            former.append((layer, weight.data))
            weight.data = weight.data.clone()
            layer.merge(adapter_names=layer.active_adapters)
            weight.data = weight.data.to(dtype)
        yield
    finally:
        for layer, data in former:
            layer.merged_adapters.clear()
            layer.get_base_layer().weight.data = data


def merge_and_unload(model: PeftModel, role: str) -> PreTrainedModel:
    """Return the model with one adapter merged into its weights for good, without adapters.

    Sharded layers are gathered one at a time; all processes must call it together.
    """
    inner = model.get_base_model()
    assert isinstance(inner, PreTrainedModel), "a base or a classifier was wrapped"
    # by name: no role is active on a base, so none would be merged
    merge: Callable[..., PreTrainedModel] = model.merge_and_unload
    if not is_sharded(inner):
        return merge(adapter_names=[role])

    def merge_within(module: nn.Module) -> None:
        for layer in module.modules():
            if isinstance(layer, LoraLayer) and role not in layer.merged_adapters:
                cast(Any, layer).merge(adapter_names=[role])

    change_layers(inner, merge_within)
    merge_within(inner)  # what is outside of the sharded layers
    unload: Callable[[], PreTrainedModel] = model.unload
    return unload()


@torch.no_grad()
def merged_difference(base: Base) -> float:
    """Return the largest difference of the last states with the active adapter merged, over the largest state.

    More than rounding means that the model reads a weight past its layer, so that sampling with merged weights and
    training differ.
    """
    ids = torch.arange(PROBE, device=base.device)[None] % base.encoding.rows
    mask = torch.ones_like(ids, dtype=torch.bool)
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")  # TF32 rounds as much as the tolerance
    try:
        unmerged = base.hidden(ids, mask, right_padded=True).float()
        with merged_adapter(base):
            merged = base.hidden(ids, mask, right_padded=True).float()
    finally:
        torch.set_float32_matmul_precision(precision)
    return float((unmerged - merged).abs().max() / unmerged.abs().max())


def merges_exactly(base: Base) -> bool:
    """Return whether an adapter on the active one's layers has the same effect merged; measured once per role.

    The probe fills the second matrices with random numbers for two short passes. A difference is logged.
    """
    layers = _merging_layers(base)
    known, key = _exact.setdefault(base, {}), (base.active, len(layers))
    if key not in known:
        with _random_adapter(layers):
            difference = merged_difference(base) if layers else 0.0
        known[key] = difference <= TOLERANCE
        if not known[key]:
            log.warning(
                "sampling keeps the adapter beside the weights, which is slower: merged, states differ by %.2g of the "
                "largest",
                difference,
            )
    return known[key]


@contextmanager
def _random_adapter(layers: list[Any]) -> Iterator[None]:
    generator = torch.Generator().manual_seed(0)
    matrices = [m for layer in layers for role in layer.active_adapters for m in layer.lora_B[role].parameters()]
    former = [matrix.data for matrix in matrices]
    try:
        for matrix in matrices:
            matrix.data = (torch.randn(matrix.shape, generator=generator) * SPREAD).to(matrix.device, matrix.dtype)
        yield
    finally:
        for matrix, data in zip(matrices, former, strict=True):
            matrix.data = data


def _merging_layers(base: Base) -> list[Any]:  # LoraLayer itself does not declare `merge`; its subclasses do
    return [module for module in base.causal.modules() if isinstance(module, LoraLayer) and _can_merge(module, base)]


def _can_merge(layer: LoraLayer, base: Base) -> bool:
    """Return whether a layer's weight is neither quantised, nor in half precision, nor shared with the embedding."""
    inner = layer.get_base_layer()
    return (
        bool(layer.active_adapters)
        and is_plain(inner)
        and not is_half(cast(Tensor, inner.weight))
        and inner.weight is not base.causal.get_input_embeddings().weight
    )


def is_plain(module: nn.Module) -> bool:
    """Return whether the weight holds floats; a quantised one has its own class and may report a float type."""
    weight = getattr(module, "weight", None)
    return type(weight) is nn.Parameter and weight.is_floating_point()
