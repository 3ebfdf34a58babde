# SPDX-License-Identifier: Apache-2.0
"""LoRA in the upper decoder layers only, so that the layers below are a frozen trunk."""

from __future__ import annotations

from peft import LoraConfig
from torch import nn
from transformers.pytorch_utils import Conv1D

from reward.base.adapters import DEFAULT_RANK
from reward.base.frozen_base import Base
from rlhf.ppo.frozen_trunk import decoder_layers


def lora_from(base: Base, first: int, rank: int = DEFAULT_RANK) -> LoraConfig:
    """Return LoRA as `reward.base.adapters.default_lora`, in the decoder layers from number `first` on."""
    layers = {id(layer) for layer in decoder_layers(base)[first:]}
    names = [
        f"{above}.{name}".removesuffix(".base_layer")
        for above, layer in base.causal.named_modules()
        if id(layer) in layers
        for name, module in layer.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and ".lora_" not in name
    ]
    return LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=names)
