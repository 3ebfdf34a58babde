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

from reward.base import distributed

ROWS, WIDTH = 512, 1024
"""The shape of the probe's product: the rows of a small training pass, a layer of a small model."""
SECONDS, ROUND = 1.0, 0.1
"""Least durations of the probe, and of one precision in a round."""


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
    """Measure both precisions in turn, once per run; return the best rate of each.

    The main process measures for all, which must agree on a precision. Other work slows some rounds, of one precision
    or the other, and must not decide which one is faster.
    """
    return distributed.once(_measure)


def _measure() -> Rates:
    rounds: list[Rates] = []
    began = time.perf_counter()
    while not rounds or time.perf_counter() - began < SECONDS:
        rounds.append(Rates(_rate(torch.float32), _rate(torch.bfloat16)))
    return Rates(*map(max, zip(*rounds, strict=True)))


def _rate(dtype: torch.dtype) -> float:
    """Return the rate of x W and its two gradients, the work of a training pass."""
    x, weight = torch.ones(ROWS, WIDTH, dtype=dtype), torch.ones(WIDTH, WIDTH, dtype=dtype)
    products, began = 0, time.perf_counter()
    while products == 0 or time.perf_counter() - began < ROUND:
        y = x @ weight
        y @ weight.mT
        y.mT @ x
        products += 3
    return products * 2 * ROWS * WIDTH * WIDTH / (time.perf_counter() - began) / 1e9
