# SPDX-License-Identifier: Apache-2.0
"""Muon's orthogonalisation in float32, for CPUs that emulate bfloat16.

torch's Muon multiplies in bfloat16 whatever the weights are. On a CPU without instructions for it (AVX2 alone) that
took 24 of the 25 seconds of a short pre-training.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import _muon

from reward.base.bf16_probe import cpu_rates


def choose_muon_precision(device: torch.device) -> None:
    """Let Muon compute in float32 in this process if the device is a CPU that is slower in bfloat16."""
    if device.type == "cpu" and not cpu_rates().bfloat16_is_faster:
        _muon._zeropower_via_newtonschulz = orthogonalise  # type: ignore[assignment]  # its arguments have other names


def orthogonalise(gradient: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """Return (rows, columns) float32: the gradient with singular values near 1 (Jordan et al. 2024, Newton-Schulz).

    A step maps each singular value s to a s + b s^3 + c s^5. The smaller side is multiplied by itself.
    """
    a, b, c = coefficients
    tall = gradient.shape[0] > gradient.shape[1]
    wide = (gradient.mT if tall else gradient).float()
    wide = wide / wide.norm().clamp(min=eps)
    for _ in range(steps):
        square = wide @ wide.mT
        wide = a * wide + (b * square + c * square @ square) @ wide
    return wide.mT if tall else wide
