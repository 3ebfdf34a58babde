# SPDX-License-Identifier: Apache-2.0
"""A probe of one second that finds whether bfloat16 is faster than float32 on this machine's CPU.

Without instructions for bfloat16 (avx512_bf16, amx_bf16) torch emulates them, and training takes several times longer
than in float32.
"""

from __future__ import annotations

import time
from functools import cache
from typing import NamedTuple

import torch

ROWS, WIDTH = 512, 1024
"""The shape of the probe's product: the rows of a small training pass, a layer of a small model."""
SECONDS = 0.5
"""Duration of the probe for each precision."""


class Rates(NamedTuple):
    """Rates of matrix products on the CPU, in 10^9 operations a second."""

    float32: float
    bfloat16: float

    @property
    def bfloat16_is_faster(self) -> bool:
        """Return whether bfloat16 beats float32."""
        return self.bfloat16 > self.float32


@cache
def cpu_rates() -> Rates:
    """Measure both precisions once per process, in turn."""
    return Rates(*(_rate(dtype) for dtype in (torch.float32, torch.bfloat16)))


def _rate(dtype: torch.dtype) -> float:
    """Return the rate of x W and its two gradients, the work of a training pass."""
    x, weight = torch.ones(ROWS, WIDTH, dtype=dtype), torch.ones(WIDTH, WIDTH, dtype=dtype)
    products, began = 0, time.perf_counter()
    while products == 0 or time.perf_counter() - began < SECONDS:
        y = x @ weight
        y @ weight.mT
        y.mT @ x
        products += 3
    return products * 2 * ROWS * WIDTH * WIDTH / (time.perf_counter() - began) / 1e9
