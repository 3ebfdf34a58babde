# SPDX-License-Identifier: Apache-2.0
"""Decoding of many prompts in one batch: a waiting prompt takes over the row of a complete answer, or the row leaves.

Rows never attend to each other and each has its own noise, so the composition of a batch changes no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch

from reward.base.frozen_base import Base
from rlhf.sampling.answer_table import AnswerTable, Draw
from rlhf.sampling.attention_masks import takes_prepared_masks
from rlhf.sampling.fixed_batch import FixedBatch, in_fixed_shape
from rlhf.sampling.growing_batch import GrowingBatch
from rlhf.sampling.step_graph import Capture, capture_cuda_graph

REFILL = 0.25
"""Share of free rows at which waiting prompts take them over: reading prompts costs a separate forward pass."""
BLOCK = 16
"""Tokens that an accelerator draws between two looks at which rows still run: it never waits for the host in between.
A row that ended draws on until then; its tokens are discarded."""

Watch = Callable[[AnswerTable], None]
_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched_by(watch: Watch) -> Iterator[None]:
    """Call `watch` with the answers drawn so far between two looks at which rows run; its error ends the decoding."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


@dataclass(frozen=True)
class DecodePlan:
    """The way in which a device decodes; no choice changes an answer, apart from rounding.

    `block`: tokens between two looks at which rows still run. `fixed`: in fixed shapes, see `FixedBatch`. `capture`
    records the step of a fixed batch.
    """

    block: int = 1
    fixed: bool = False
    capture: Capture | None = None

    @classmethod
    def of(cls, base: Base) -> DecodePlan:
        """Return the plan for the base's device: on a CPU a look costs nothing, and a discarded token its time."""
        if base.device.type == "cpu":
            return cls()
        graph = capture_cuda_graph if base.device.type == "cuda" else None
        return cls(BLOCK, takes_prepared_masks(base.causal), graph)


def decode(
    base: Base,
    prompts: Sequence[list[int]],
    table: AnswerTable,
    draw: Draw,
    size: int,
    plan: DecodePlan | None = None,
) -> None:
    """Answer all prompts under the active role into `table`, at most `size` rows at a time.

    The longest prompts come first, so a prompt that takes over a row is never longer than what the batch has read.
    """
    plan = plan or DecodePlan.of(base)
    room = table.room.tolist()
    length = max((len(ids) + tokens for ids, tokens in zip(prompts, room, strict=True)), default=0)
    # _take takes from the end; equal prompts are adjacent
    waiting = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), prompts[row]))
    batch: GrowingBatch | FixedBatch | None = None
    left, watch = 0, _watch.get()  # no row can draw more tokens than `left`
    while waiting or batch is not None:
        if batch is None:
            rows = _take(waiting, size)
            batch, left = GrowingBatch(base, prompts, rows, table, draw), max(room[row] for row in rows) - 1
            if plan.fixed and left:
                batch = in_fixed_shape(batch, length, plan.capture)
        else:
            for _ in range(steps := min(plan.block, max(left, 1))):
                batch.step()
            left -= steps
        if watch is not None:
            watch(table)
        running = batch.running.tolist()
        runs = [row for row, is_running in enumerate(running) if is_running]
        free = [row for row, is_running in enumerate(running) if not is_running]
        if waiting and (runs or batch.restarts) and len(free) >= REFILL * len(running) and batch.refillable:
            rows = _take(waiting, len(free))
            left = max(left, *(room[row] - 1 for row in rows))
            places = torch.tensor(free[: len(rows)], device=base.device)
            batch.take_over(places, GrowingBatch(base, prompts, rows, table, draw))
        elif not runs:
            batch = None
        elif len(runs) <= batch.compact_below * len(running) and (not waiting or not batch.refillable):
            batch.keep(torch.tensor(runs, device=base.device))


def _take(waiting: list[int], count: int) -> list[int]:
    """Remove and return the last `count` rows, the last one first."""
    rows = waiting[-count:][::-1]
    del waiting[-count:]
    return rows
