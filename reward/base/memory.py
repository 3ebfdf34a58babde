# SPDX-License-Identifier: Apache-2.0
"""The memory budget of forward and backward passes: free memory over a counted cost per token.

Rows that share a pass change results by rounding only: a sum over padded rows has another order. The most rows of a
pass are fixed, so runs on machines with enough memory have the same bits.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from reward.base.frozen_base import Base
from reward.base.machine import free_host_bytes
from reward.base.out_of_memory import halved
from reward.memory_estimate import ELEMENTS, LOGIT_COPIES, SHARE

ROWS = 64
"""Most rows of a pass without gradients: more gain no speed."""


def free_bytes(device: torch.device) -> int:
    """Return the memory that this process can still take on a device."""
    if device.type == "cuda":
        reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + reserved
    return free_host_bytes() // int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def bytes_per_token(base: Base, gradients: bool = False, checkpointing: bool = False) -> int:
    """Return the counted activations of a token in a pass.

    Without gradients one layer's activations exist at a time. With them every layer keeps about 16 states of the
    model's width and 5 of the feed-forward's; with checkpointing its input alone, and one layer is computed again.
    """
    config, size = base.config, base.causal.dtype.itemsize
    inner = config.to_dict().get("intermediate_size") or 4 * base.hidden_size
    layer, layers = 16 * base.hidden_size + 5 * inner, config.num_hidden_layers
    if not gradients:
        return size * layer
    return size * (layers * base.hidden_size + layer if checkpointing else layers * layer)


def cache_bytes_per_token(base: Base) -> int:
    """Return the keys and values of a token in all layers, twice: a growing buffer is copied."""
    layers = base.config.num_hidden_layers
    written = base.config.to_dict()  # an attribute that differs between layers, as in Gemma 4, raises
    heads = getattr(base.config, "num_attention_heads", None) or 1
    width = written.get("head_dim") or base.hidden_size // heads
    shared = written.get("num_key_value_heads") or heads
    return 4 * layers * shared * width * base.causal.dtype.itemsize


def tokens_per_pass(base: Base, cost: int) -> int:
    """Return how many tokens of that cost in bytes fit the budget, padding included; at least 1."""
    logits = 4 * LOGIT_COPIES * ELEMENTS
    budget = SHARE * max(0, free_bytes(base.device) - logits)
    return max(1, halved(int(budget / cost)))


def split_passes(lengths: Sequence[int], most: int, tokens: int) -> list[list[int]]:
    """Return row numbers in passes of similar length: at most `most` rows, and `tokens` with padding, but one row.

    Both limits fall to half after memory ran out.
    """
    passes: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not passes or len(passes[-1]) == halved(most) or (len(passes[-1]) + 1) * lengths[number] > tokens:
            passes.append([])
        passes[-1].append(number)
    return passes


def reading_passes(base: Base, lengths: Sequence[int], most: int = ROWS) -> list[list[int]]:
    """Return row numbers in passes without gradients that fit the memory."""
    return split_passes(lengths, most, tokens_per_pass(base, bytes_per_token(base)))


def decoding_rows(base: Base, longest: int, most: int) -> int:
    """Return how many rows of up to `longest` tokens to decode at once, at most `most`, half of it once memory ran out.

    A prompt is read with all rows at once, so its activations count as well as the cache.
    """
    tokens = tokens_per_pass(base, cache_bytes_per_token(base) + bytes_per_token(base))
    return max(1, min(halved(most), tokens // longest))
