# SPDX-License-Identifier: Apache-2.0
"""The key-value cache of decoding: buffers with spare room, whose rows waiting prompts can take over.

transformers' own cache copies all its content at every token. Attention, its masks and windows stay in transformers.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import LongTensor, Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import Cache, DynamicLayer, DynamicSlidingWindowLayer

from reward.base.patches.cpu_attention import attention_dtype

BLOCK = 32
"""Tokens by which a buffer grows, and so the tokens between two copies of it."""


class SlotLayer(DynamicLayer):
    """One layer's keys and values, (B, heads, T, D) each: views of buffers with room for further tokens.

    A layer with a window holds all tokens too; its mask hides the old ones.
    """

    buffers: tuple[Tensor, ...] = ()

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Append the states of new tokens; return all keys and values."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        used, new = self.get_seq_length(), [states.to(attention_dtype(states)) for states in (key_states, value_states)]
        end = used + key_states.shape[-2]
        if not self.buffers or end > self.buffers[0].shape[-2]:
            previous = (self.keys, self.values)
            self.buffers = tuple(
                _enlarge(old if used else None, states, end + BLOCK) for old, states in zip(previous, new, strict=True)
            )
        for buffer, states in zip(self.buffers, new, strict=True):
            buffer[:, :, used:end] = states
        return self._show(end)

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep these rows, in this order; a row may occur more than once."""
        self.buffers = tuple(buffer.index_select(0, beam_idx) for buffer in self.buffers)
        self._show(self.get_seq_length())

    def drop_leading(self, tokens: int) -> None:
        """Drop the first slots, which no row uses."""
        self.buffers, used = tuple(buffer[:, :, tokens:] for buffer in self.buffers), self.get_seq_length() - tokens
        self._show(used)

    def overwrite_rows(self, rows: Tensor, other: SlotLayer) -> None:
        """Overwrite these rows with those of `other`, which is at most as long and ends at the same slot."""
        used = self.get_seq_length()
        length = other.get_seq_length()
        for buffer, states in zip(self.buffers, other.buffers, strict=True):
            buffer[rows, :, used - length : used] = states[:, :, :length]

    def _show(self, used: int) -> tuple[Tensor, Tensor]:
        """Set keys and values to the first slots of the buffers."""
        keys, values = (buffer[:, :, :used] for buffer in self.buffers)
        self.keys, self.values = keys, values
        return keys, values


class FixedLayer(DynamicLayer):
    """One layer's keys and values in buffers (B, heads, S, D) that stay where they are.

    A new token of row `rows[i]` goes into slot `slots[i]`. Attention reads all slots. Its mask hides those that are not
    written yet: they hold zeros, and the last one padding.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, like: SlotLayer, size: int, length: int) -> None:
        super().__init__()
        self.keys, self.values = (
            buffer.new_zeros(size, buffer.shape[1], length, buffer.shape[3]) for buffer in like.buffers
        )
        self.is_initialized = True
        self.rows, self.slots = (torch.zeros(size, dtype=torch.long, device=self.keys.device) for _ in range(2))

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Write the states of one new token per row; return all keys and values."""
        for buffer, states in ((self.keys, key_states), (self.values, value_states)):
            buffer[self.rows, :, self.slots] = states[:, :, 0].to(buffer.dtype)
        return self.keys, self.values

    def fill(self, rows: Tensor, slots: Tensor, other: SlotLayer) -> None:
        """Overwrite these rows (n,) with those of `other`, whose tokens (n, T) go into these slots (n, T)."""
        used = other.get_seq_length()
        for buffer, states in zip((self.keys, self.values), other.buffers, strict=True):
            buffer[rows[:, None], :, slots] = states[:, :, :used].transpose(1, 2)


def new_cache(config: PreTrainedConfig) -> Cache:
    """Return an empty cache for that model.

    It consists of `SlotLayer` if every layer is plain attention, full or in a window; else it is transformers' own.
    """
    cache = DynamicCache(config=config)
    if {type(layer) for layer in cache.layers} <= {DynamicLayer, DynamicSlidingWindowLayer}:
        cache.layers = [SlotLayer() for _ in cache.layers]
    return cache


def can_refill(cache: Cache) -> bool:
    """Return whether waiting prompts can take over rows of this cache."""
    return all(isinstance(layer, SlotLayer) for layer in cache.layers)


def slot_layers(cache: Cache) -> list[SlotLayer]:
    """Return the layers of a cache that `can_refill`."""
    return [layer for layer in cache.layers if isinstance(layer, SlotLayer)]


def reorder_rows(cache: Cache, rows: Tensor) -> None:
    """Keep these rows (int64) of a cache of any kind, in this order."""
    cache.reorder_cache(cast(LongTensor, rows))


def _enlarge(old: Tensor | None, like: Tensor, length: int) -> Tensor:
    """Return a buffer of that length that begins with `old`; the rest is written before it is read."""
    buffer = like.new_empty(*like.shape[:2], length, like.shape[-1])
    if old is not None:
        buffer[:, :, : old.shape[-2]] = old
    return buffer
