# SPDX-License-Identifier: Apache-2.0
"""Decoding of many prompts in one batch: a waiting prompt takes over the row of a complete answer, or the row leaves.

Rows never attend to each other and each has its own noise, so the composition of a batch changes no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from reward.base.frozen_base import Base
from rlhf.sampling.kv_cache import can_refill, new_cache, reorder_rows, slot_layers

REFILL = 0.25
"""Share of free rows at which waiting prompts take them over: reading prompts costs a separate forward pass."""
COMPACT_BELOW = 0.8
"""Share of running rows below which ended rows leave, if no prompt waits: a smaller batch costs a copy."""

Draw = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(logits (B, V), uniform numbers (B,)) -> (chosen ids (B,), their log-probabilities (B,))."""


class AnswerTable:
    """All answers: N rows of ids and log-probabilities, lengths, ended flags. A last column takes discarded tokens."""

    def __init__(self, noise: Tensor, room: Tensor, ends: Tensor) -> None:
        count, width = noise.shape
        self.noise, self.room, self.ends = noise, room, ends
        self.ids = torch.zeros(count, width + 1, dtype=torch.long, device=noise.device)
        self.logps = torch.zeros(count, width + 1, device=noise.device)
        self.counts = torch.zeros(count, dtype=torch.long, device=noise.device)
        self.ended = torch.zeros(count, dtype=torch.bool, device=noise.device)

    def numbers(self, rows: Tensor) -> Tensor:
        """Return the uniform number of each row's next token."""
        return self.noise[rows, self.counts[rows].clamp(max=self.noise.shape[1] - 1)]

    def write(self, rows: Tensor, running: Tensor, chosen: Tensor, logps: Tensor) -> Tensor:
        """Append a token to the running rows; return which rows still run."""
        column = torch.where(running, self.counts[rows], self.noise.shape[1])
        self.ids[rows, column], self.logps[rows, column] = chosen, logps.float()
        self.counts[rows] += running
        end = torch.isin(chosen, self.ends) & running
        self.ended[rows] |= end
        return running & ~end & (self.counts[rows] < self.room[rows])


@dataclass(slots=True)
class Batch:
    """The rows in decoding: answer numbers, newest tokens (B, 1) and their positions, used slots (B, T), cache."""

    rows: Tensor
    ids: Tensor
    positions: Tensor
    mask: Tensor
    running: Tensor
    cache: Cache

    def keep(self, rows: Tensor) -> None:
        """Keep only the rows at these indices."""
        self.rows, self.ids, self.positions, self.mask, self.running = (
            tensor[rows] for tensor in (self.rows, self.ids, self.positions, self.mask, self.running)
        )
        reorder_rows(self.cache, rows)
        self.trim()

    def take_over(self, free: Tensor, other: Batch) -> None:
        """Overwrite the `free` rows with those of a newly read batch, which is no longer than this one."""
        width = other.mask.shape[1]
        self.mask[free] = False
        self.mask[free, -width:] = other.mask
        for name in ("rows", "ids", "positions", "running"):
            getattr(self, name)[free] = getattr(other, name)
        for layer, new in zip(slot_layers(self.cache), slot_layers(other.cache), strict=True):
            layer.overwrite_rows(free, new)
        self.trim()

    def trim(self) -> None:
        """Drop the leading slots that no running row uses."""
        unused = (
            int(self.mask[self.running].any(0).int().argmax()) if can_refill(self.cache) and self.running.any() else 0
        )
        if unused:
            self.mask = self.mask[:, unused:]
            for layer in slot_layers(self.cache):
                layer.drop_leading(unused)


def decode(base: Base, prompts: Sequence[list[int]], table: AnswerTable, draw: Draw, size: int) -> None:
    """Answer all prompts under the active role into `table`, at most `size` rows at a time.

    The longest prompts come first, so a prompt that takes over a row is never longer than what the batch has read.
    """
    # _take takes from the end; equal prompts are adjacent
    waiting = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), prompts[row]))
    batch = None
    while waiting or batch is not None:
        if batch is None:
            batch = _read(base, prompts, _take(waiting, size), table, draw)
        else:
            _step(base, batch, table, draw)
        running = int(batch.running.sum())
        free = len(batch.rows) - running
        if waiting and running and free >= REFILL * len(batch.rows) and can_refill(batch.cache):
            rows = _take(waiting, free)
            batch.take_over((~batch.running).nonzero()[: len(rows), 0], _read(base, prompts, rows, table, draw))
        elif not running:
            batch = None
        elif running <= COMPACT_BELOW * len(batch.rows) and (not waiting or not can_refill(batch.cache)):
            batch.keep(batch.running.nonzero()[:, 0])


def _take(waiting: list[int], count: int) -> list[int]:
    """Remove and return the last `count` rows, the last one first."""
    rows = waiting[-count:][::-1]
    del waiting[-count:]
    return rows


def _read(base: Base, prompts: Sequence[list[int]], rows: list[int], table: AnswerTable, draw: Draw) -> Batch:
    """Read prompts with left padding, each distinct one once, and draw the first token of every row's answer."""
    places: dict[tuple[int, ...], int] = {}
    row_of = [places.setdefault(tuple(prompts[row]), len(places)) for row in rows]
    ids, mask = base.collate(list(places), side="left")
    positions, cache = (mask.cumsum(-1) - 1).clamp(min=0), new_cache(base.config)
    logits = _forward(base, ids, mask, positions, cache)
    shared = torch.tensor(row_of, device=ids.device)
    if len(places) < len(rows):
        reorder_rows(cache, shared)
    running = torch.ones(len(rows), dtype=torch.bool, device=ids.device)
    batch = Batch(torch.tensor(rows, device=ids.device), ids[shared], positions[shared], mask[shared], running, cache)
    _draw(batch, logits[shared], table, draw)
    return batch


def _step(base: Base, batch: Batch, table: AnswerTable, draw: Draw) -> None:
    """Draw one token for every row."""
    batch.mask = torch.cat([batch.mask, torch.ones_like(batch.mask[:, :1])], dim=1)
    logits = _forward(base, batch.ids, batch.mask, batch.positions, batch.cache)
    _draw(batch, logits, table, draw)


def _forward(base: Base, ids: Tensor, mask: Tensor, positions: Tensor, cache: Cache) -> Tensor:
    """Return the logits (B, V) of the next token."""
    output = base.causal(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return output.logits[:, -1]


def _draw(batch: Batch, logits: Tensor, table: AnswerTable, draw: Draw) -> None:
    chosen, logps = draw(logits, table.numbers(batch.rows))
    batch.running = table.write(batch.rows, batch.running, chosen, logps)
    batch.ids = chosen[:, None]
    batch.positions = batch.positions[:, -1:] + batch.running[:, None]
