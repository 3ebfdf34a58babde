# SPDX-License-Identifier: Apache-2.0
"""Settings that the trainings share: the shape of the LoRA, the optimizer, and what fits into memory."""

from __future__ import annotations

from typing import Literal

from data.settings import Rank, Settings, option


class LoraSettings(Settings):
    """The LoRA that a training adds to the base."""

    rank: Rank = 16
    lora_alpha: int = option(0, min=0, max=10_000)
    lora_targets: str = ""
    first_layer: int = option(0, min=0, max=10_000)
    dora: bool = False
    rslora: bool = False


class TrainerSettings(Settings):
    """The optimizer of a training, and how a step's rows are divided into passes that fit into memory."""

    per_device_batch_size: int = option(0, unit="rows", min=0)
    gradient_checkpointing: bool = False
    lora_dropout: float = option(0.0, min=0.0, max=0.9)
    max_length: int = option(0, unit="tokens", min=0)
    optimizer: Literal["adamw_torch_fused", "adamw_torch", "adamw_8bit", "adafactor", "sgd"] = "adamw_torch_fused"
    weight_decay: float = option(0.0, min=0.0, max=10.0)
    scheduler: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
