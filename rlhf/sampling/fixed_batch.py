# SPDX-License-Identifier: Apache-2.0
"""A batch in decoding whose shapes and addresses stay fixed, so that a GPU can replay one recorded step per token.

The token at position p of a row is in slot p of its buffers, whatever the other rows hold. The buffers are as long as
the longest prompt with its answer, which is known in advance. No step looks at a value on the host.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor
from transformers import DynamicCache

from rlhf.sampling.attention_masks import slot_masks
from rlhf.sampling.growing_batch import GrowingBatch, next_logits
from rlhf.sampling.kv_cache import FixedLayer, reorder_rows, slot_layers
from rlhf.sampling.step_graph import Capture, checked_replay

log = logging.getLogger(__name__)
AGREEMENT = 0.05
"""Most relative difference of the logits from those of a growing batch; in bfloat16 they differ by about 0.01."""


class FixedBatch:
    """The rows in decoding, as in `GrowingBatch`, in buffers of fixed length. `capture` records the step."""

    compact_below = 0.5
    """Share of running rows below which ended rows leave: every new shape is recorded anew."""
    restarts = refillable = True

    def __init__(self, batch: GrowingBatch, length: int, capture: Capture | None = None) -> None:
        """Take over all rows of a batch that has just read its prompts."""
        self.base, self.table, self.draw, self.capture = batch.base, batch.table, batch.draw, capture
        size, device = len(batch.rows), batch.rows.device
        slots = -(-(length + 1) // 8) * 8  # one for padding at least; attention kernels like multiples of 8
        self.rows, self.ids, self.positions, self.running = (
            tensor.clone() for tensor in (batch.rows, batch.ids, batch.positions, batch.running)
        )
        self.slots = torch.arange(slots, device=device)
        self.cache = DynamicCache(config=self.base.config)
        self._layers = [FixedLayer(layer, size, slots) for layer in slot_layers(batch.cache)]
        self.cache.layers = list(self._layers)
        self._replay: Callable[[], None] | None = None
        self._index_rows()
        self.take_over(torch.arange(size, device=device), batch)

    def step(self) -> None:
        """Draw one token for every row, by the recorded step if there is one."""
        if self._replay is not None:
            self._replay()
        elif self.capture is not None:
            self._replay = checked_replay(self._step, self.capture, self._state())
        else:
            self._step()

    def next_logits(self) -> Tensor:
        """Write the newest tokens into their slots; return the logits (B, V) after them. Doing it again is harmless."""
        masks = slot_masks(self.base.config, self.positions, self.slots, self.base.causal.dtype)
        return next_logits(self.base, self.ids, masks, self.positions, self.cache)

    def keep(self, rows: Tensor) -> None:
        """Keep only the rows at these indices."""
        self.rows, self.ids, self.positions, self.running = (
            tensor[rows] for tensor in (self.rows, self.ids, self.positions, self.running)
        )
        reorder_rows(self.cache, rows)
        self._index_rows()
        self._replay = None

    def take_over(self, free: Tensor, other: GrowingBatch) -> None:
        """Overwrite the `free` rows with those of a newly read batch."""
        for name in ("rows", "ids", "positions", "running"):
            getattr(self, name)[free] = getattr(other, name)
        slots = torch.where(other.mask, other.mask.cumsum(-1) - 1, len(self.slots) - 1)
        for layer, new in zip(self._layers, slot_layers(other.cache), strict=True):
            layer.fill(free, slots, new)

    def _step(self) -> None:
        chosen, logps = self.draw(self.next_logits(), self.table.numbers(self.rows))
        self.running.copy_(self.table.write(self.rows, self.running, chosen, logps))
        self.ids.copy_(chosen[:, None])
        self.positions.add_(self.running[:, None])

    def _state(self) -> list[Tensor]:
        """Return the tensors that a step changes; a slot is written before it is read."""
        table = self.table
        return [self.ids, self.positions, self.running, table.ids, table.logps, table.counts, table.ended]

    def _index_rows(self) -> None:
        """Point the cache at each row's next slot: its position, which steps change in place."""
        places = torch.arange(len(self.rows), device=self.rows.device)
        for layer in self._layers:
            layer.rows, layer.slots = places, self.positions[:, 0]


def in_fixed_shape(batch: GrowingBatch, length: int, capture: Capture | None) -> FixedBatch | GrowingBatch:
    """Return the batch in fixed shape, or itself, one token further, if the model then computes other logits.

    The comparison costs one forward pass per call of `decode`, and holds for every model that transformers brings.
    """
    try:
        fixed = FixedBatch(batch, length, capture)
        ours = fixed.next_logits()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # noqa: BLE001 (a model may refuse prepared masks in any way)
        log.warning("decoding without fixed shapes: %s", error)
        return batch
    theirs = batch.next_logits()
    runs = batch.running[:, None]
    difference = float(((ours - theirs) * runs).norm() / (theirs * runs).norm())
    if difference <= AGREEMENT:
        return fixed
    log.warning("decoding without fixed shapes: logits differ by %.2g", difference)
    batch.accept(theirs)
    return batch
