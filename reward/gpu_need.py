# SPDX-License-Identifier: Apache-2.0
"""The memory that a run needs on each of several GPUs, by DDP or with a sharded base. Importable without torch.

By DDP every GPU holds all weights. With a sharded base it holds its part of the layers, and two layers that are
gathered: the one at work and the one before. Only a run that decodes in its own processes gathers all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from reward.memory_estimate import Phase, Workload, estimate_memory
from reward.model_shape import ModelShape
from reward.placement_settings import SHARDED

DDP = "ddp"
SERVED = "sharded, rollouts"
"""A sharded base whose rollouts come from servers on other GPUs."""
GATHERED = 2
"""Layers of a sharded base that exist whole at once."""
GIGABYTE = 1000**3 / 2**20
"""The MB of an estimate (2**20 bytes) in a GB (10**9 bytes)."""


@dataclass(frozen=True, slots=True)
class GpuNeed:
    """The strategy of a run and the peak on each GPU, in GB."""

    strategy: str
    gigabytes: float


def need_per_gpu(
    shape: ModelShape,
    work: Workload,
    *,
    gpus: int,
    strategy: str = DDP,
    dtype: str = "bfloat16",
    quantize: str = "none",
    gigabytes: float | None = None,
) -> float:
    """Return the peak in GB on each of the GPUs that share a run; each has so many `gigabytes` (None: enough).

    `work` is that of one process; its rows are shared. A sharded base needs several GPUs. With SERVED the run scores
    the answers, and does not decode them.
    """
    available = None if gigabytes is None else gigabytes * GIGABYTE
    phases = tuple(replace(phase, rows=math.ceil(phase.rows / gpus)) for phase in work.phases)
    if strategy == SERVED:
        phases = tuple(replace(each, step="reading", prompt=0) if _decodes(each) else each for each in phases)

    def peak(held: ModelShape, *steps: str) -> float:
        own = replace(work, phases=tuple(phase for phase in phases if phase.step in steps))
        if own.phases:
            need = estimate_memory(held, own, dtype=dtype, quantize=quantize, gpu=True, available=available)
            return need.peak / GIGABYTE
        idle = replace(work, phases=phases[:1])
        need = estimate_memory(held, idle, dtype=dtype, quantize=quantize, gpu=True)
        return (need.weights + need.adapters + need.optimizer) / GIGABYTE

    if strategy == DDP:
        return peak(shape, "training", "reading", "decoding")
    two = min(shape.layer_weights, GATHERED * shape.layer_weights // max(1, shape.layers))
    gathered = shape.layer_weights if any(map(_decodes, phases)) else two
    training = peak(_with_part(shape, gpus, two), "training")
    return max(training, peak(_with_part(shape, gpus, gathered), "reading", "decoding"))


def strategies(work: Workload) -> tuple[str, ...]:
    """Return the strategies of a run on several GPUs: SERVED is one if it decodes."""
    return (DDP, SHARDED, SERVED) if any(map(_decodes, work.phases)) else (DDP, SHARDED)


def cheapest_fit(
    shape: ModelShape, work: Workload, *, gpus: int, gigabytes: float, dtype: str = "bfloat16"
) -> GpuNeed | None:
    """Return the first strategy that fits GPUs of that size, or None: DDP, a sharded base, then its rollouts served."""
    for strategy in strategies(work) if gpus > 1 else (DDP,):
        need = need_per_gpu(shape, work, gpus=gpus, strategy=strategy, dtype=dtype, gigabytes=gigabytes)
        if need <= gigabytes:
            return GpuNeed(strategy, need)
    return None


def _decodes(phase: Phase) -> bool:
    return phase.step == "decoding"


def _with_part(shape: ModelShape, gpus: int, gathered: int) -> ModelShape:
    """Return the shape of a process's part of the layers and so many gathered weights, with all other parts."""
    layers = math.ceil(shape.layer_weights / gpus) + gathered
    return replace(shape, layer_weights=layers, weights=shape.weights - shape.layer_weights + layers)
