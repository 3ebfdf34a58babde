"""The key-value cache of decoding: buffers with room ahead, whose rows are taken over by the next prompt once an answer is over.

transformers' own cache copies all that it holds at every token. Attention itself, its masks and windows, stay transformers' affair.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import Cache, DynamicLayer, DynamicSlidingWindowLayer

from reward.base.patches.cpu_attention import attention_dtype

BLOCK = 32
"""Tokens of room that a buffer gains at a time: it is copied once in so many tokens."""


class SlotLayer(DynamicLayer):
    """One layer's keys and values, (B, heads, T, D) each: views of buffers that have room for the tokens to come.

    All tokens are kept where the layer sees a window only; its mask hides them.
    """

    buffers: tuple[Tensor, ...] = ()

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write the states of new tokens behind the others; all keys and values."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        used, new = self.get_seq_length(), [states.to(attention_dtype(states)) for states in (key_states, value_states)]
        end = used + key_states.shape[-2]
        if not self.buffers or end > self.buffers[0].shape[-2]:
            held = (self.keys, self.values)
            self.buffers = tuple(
                _roomier(old if used else None, states, end + BLOCK) for old, states in zip(held, new, strict=True)
            )
        for buffer, states in zip(self.buffers, new, strict=True):
            buffer[:, :, used:end] = states
        self._show(end)
        return self.keys, self.values

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep these rows, in this order; a row may be asked for more than once."""
        self.buffers = tuple(buffer.index_select(0, beam_idx) for buffer in self.buffers)
        self._show(self.get_seq_length())

    def drop_leading(self, tokens: int) -> None:
        """Forget the first slots, which no row uses."""
        self.buffers, used = tuple(buffer[:, :, tokens:] for buffer in self.buffers), self.get_seq_length() - tokens
        self._show(used)

    def overwrite_rows(self, rows: Tensor, other: SlotLayer) -> None:
        """Let these rows be those of `other`, at most as long as this one, ending at the same slot."""
        used = self.get_seq_length()
        start = used - other.get_seq_length()
        for buffer, states in zip(self.buffers, (other.keys, other.values), strict=True):
            buffer[rows, :, start:used] = states

    def _show(self, used: int) -> None:
        self.keys, self.values = (buffer[:, :, :used] for buffer in self.buffers)


def new_cache(config: PreTrainedConfig) -> Cache:
    """An empty cache for that model: `Slots` where each of its layers is plain attention, full or in a window, else transformers' own."""
    cache = DynamicCache(config=config)
    if {type(layer) for layer in cache.layers} <= {DynamicLayer, DynamicSlidingWindowLayer}:
        cache.layers = [SlotLayer() for _ in cache.layers]
    return cache


def can_refill(cache: Cache) -> bool:
    """Whether rows can be taken over."""
    return all(isinstance(layer, SlotLayer) for layer in cache.layers)


def _roomier(old: Tensor | None, like: Tensor, length: int) -> Tensor:
    """A buffer of that length beginning with what there was; the rest is written before it is read."""
    buffer = like.new_empty(*like.shape[:2], length, like.shape[-1])
    if old is not None:
        buffer[:, :, : old.shape[-2]] = old
    return buffer
