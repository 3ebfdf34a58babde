# SPDX-License-Identifier: Apache-2.0
"""A recorded decoding step: a CUDA graph, which launches all kernels of a step at once.

The recording itself has not run on a GPU yet. Its first replay is compared with the plain step, which takes over if
anything differs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

log = logging.getLogger(__name__)
WARM_UPS = 2
"""Steps before the recording, in which libraries choose kernels and allocate workspaces."""
TOLERANCE = 1e-3

Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""step -> replay. It may run the step, and has no other effect."""


def capture_cuda_graph(step: Callable[[], None]) -> Callable[[], None]:
    """Record a step as a CUDA graph; see torch.cuda.graph. Autocast must not cache casts inside of a recording."""
    cached = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    torch.clear_autocast_cache()
    try:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
    finally:
        torch.set_autocast_cache_enabled(cached)
    return graph.replay


def checked_replay(step: Callable[[], None], capture: Capture, state: list[Tensor]) -> Callable[[], None]:
    """Record `step`, run it once, and return the recording if it changed `state` as the step does, else `step`."""
    before = [tensor.clone() for tensor in state]
    replay, replayed = step, None
    try:
        replay = capture(step)
        _restore(state, before)
        replay()
        replayed = [tensor.clone() for tensor in state]
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # noqa: BLE001 (torch raises errors of many kinds while it records)
        log.warning("decoding without a CUDA graph: %s", error)
    _restore(state, before)
    step()
    if replayed is None:
        return step
    if not all(_alike(*pair) for pair in zip(replayed, state, strict=True)):
        log.warning("decoding without a CUDA graph: its first step differs from the plain one")
        return step
    return replay


def _restore(state: list[Tensor], values: list[Tensor]) -> None:
    for tensor, value in zip(state, values, strict=True):
        tensor.copy_(value)


def _alike(one: Tensor, other: Tensor) -> bool:
    if one.is_floating_point():
        return torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE)
    return torch.equal(one, other)
