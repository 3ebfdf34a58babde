# SPDX-License-Identifier: Apache-2.0
"""A batch in decoding that grows by a slot per token: no slot is computed that no row needs. It suits CPUs.

All rows share the slots: prompts are padded on the left, and every row's next token goes into the same new slot.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from reward.base.frozen_base import Base
from rlhf.sampling.answer_table import AnswerTable, Draw
from rlhf.sampling.kv_cache import can_refill, new_cache, reorder_rows, slot_layers

Masks = Tensor | dict[str, Tensor]
"""The attention mask of a model: (B, T) bool, (B, 1, T, S), or one of the latter per type of layer."""


class GrowingBatch:
    """The rows in decoding: answer numbers, newest tokens (B, 1) and their positions, used slots (B, T), cache."""

    compact_below = 0.8
    """Share of running rows below which ended rows leave, if no prompt waits: a smaller batch costs a copy."""
    restarts = False

    def __init__(
        self, base: Base, prompts: Sequence[list[int]], rows: list[int], table: AnswerTable, draw: Draw
    ) -> None:
        """Read prompts with left padding, each distinct one once, and draw the first token of every row's answer."""
        self.base, self.table, self.draw = base, table, draw
        places: dict[tuple[int, ...], int] = {}
        row_of = [places.setdefault(tuple(prompts[row]), len(places)) for row in rows]
        ids, mask = base.collate(list(places), side="left")
        positions, self.cache = (mask.cumsum(-1) - 1).clamp(min=0), new_cache(base.config)
        logits = next_logits(base, ids, mask, positions, self.cache)
        shared = torch.tensor(row_of, device=ids.device)
        if len(places) < len(rows):
            reorder_rows(self.cache, shared)
        self.rows = torch.tensor(rows, device=ids.device)
        self.running = torch.ones(len(rows), dtype=torch.bool, device=ids.device)
        self.positions, self.mask = positions[shared], mask[shared]
        self.accept(logits[shared])

    @property
    def refillable(self) -> bool:
        """Return whether waiting prompts can take over rows."""
        return can_refill(self.cache)

    def step(self) -> None:
        """Draw one token for every row."""
        self.accept(self.next_logits())

    def next_logits(self) -> Tensor:
        """Append a slot for the newest tokens; return the logits (B, V) after them."""
        self.mask = torch.cat([self.mask, torch.ones_like(self.mask[:, :1])], dim=1)
        return next_logits(self.base, self.ids, self.mask, self.positions, self.cache)

    def accept(self, logits: Tensor) -> None:
        """Draw the tokens that follow from these logits."""
        chosen, logps = self.draw(logits, self.table.numbers(self.rows))
        self.running = self.table.write(self.rows, self.running, chosen, logps)
        self.ids = chosen[:, None]
        self.positions = self.positions[:, -1:] + self.running[:, None]

    def keep(self, rows: Tensor) -> None:
        """Keep only the rows at these indices."""
        self.rows, self.ids, self.positions, self.mask, self.running = (
            tensor[rows] for tensor in (self.rows, self.ids, self.positions, self.mask, self.running)
        )
        reorder_rows(self.cache, rows)
        self._trim()

    def take_over(self, free: Tensor, other: GrowingBatch) -> None:
        """Overwrite the `free` rows with those of a newly read batch, which is no longer than this one."""
        width = other.mask.shape[1]
        self.mask[free] = False
        self.mask[free, -width:] = other.mask
        for name in ("rows", "ids", "positions", "running"):
            getattr(self, name)[free] = getattr(other, name)
        for layer, new in zip(slot_layers(self.cache), slot_layers(other.cache), strict=True):
            layer.overwrite_rows(free, new)
        self._trim()

    def _trim(self) -> None:
        """Drop the leading slots that no running row uses."""
        unused = int(self.mask[self.running].any(0).int().argmax()) if self.refillable and self.running.any() else 0
        if unused:
            self.mask = self.mask[:, unused:]
            for layer in slot_layers(self.cache):
                layer.drop_leading(unused)


def next_logits(base: Base, ids: Tensor, masks: Masks, positions: Tensor, cache: Cache) -> Tensor:
    """Return the logits (B, V) of the next token, and add ids (B, T) to the cache."""
    output = base.causal(
        input_ids=ids,
        attention_mask=masks,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return output.logits[:, -1]
