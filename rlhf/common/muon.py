# SPDX-License-Identifier: Apache-2.0
"""Muon for the matrices, AdamW for the rest, as one optimizer.

On the starter's shape Muon reaches a given loss in about two thirds of AdamW's steps (docs/benchmarks.md).
Muon: Jordan et al. 2024, as in torch.optim.Muon, with its step scaled to AdamW's root mean square. Both share one
learning rate.

A device may lack what torch's Muon computes in, so one step is tried first. Where it fails, AdamW trains all weights.
A CPU that is slower in bfloat16 than in float32 computes it in float32.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from reward.base.patches.muon_float32 import choose_muon_precision

log = logging.getLogger(__name__)
SIDE = 16
"""Rows and columns of the matrix on which a step is tried."""


class MuonAdamW(torch.optim.Optimizer):
    """Two optimizers that share their parameter groups with this one, so that a scheduler sets every rate."""

    def __init__(self, model: PreTrainedModel, learning_rate: float) -> None:
        matrices, rest = _matrices_and_rest(model)
        self._parts = _of_matrices(matrices, learning_rate), _adamw(rest, learning_rate)
        super().__init__([group for part in self._parts for group in part.param_groups], {})

    def step(self, closure: None = None) -> None:  # type: ignore[override]  # transformers passes no closure
        """Take one step of both parts."""
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the states of both parts, in order."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both parts, then share their groups again: loading replaces them."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self._parts for group in part.param_groups]


def _matrices_and_rest(model: PreTrainedModel) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the weights of hidden linear layers, and everything else (embeddings, head, norms, biases)."""
    outside = {
        id(parameter)
        for module in (model.get_input_embeddings(), model.get_output_embeddings())
        for parameter in module.parameters()
    }
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in trained if parameter.ndim == 2 and id(parameter) not in outside]
    chosen = {id(parameter) for parameter in matrices}
    return matrices, [parameter for parameter in trained if id(parameter) not in chosen]


def orthogonalises(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether a step of Muon on this device is finite and about orthogonal: singular values near 1."""
    generator = torch.Generator().manual_seed(0)
    gradient = torch.eye(SIDE) + 0.1 * torch.randn(SIDE, SIDE, generator=generator)
    matrix = nn.Parameter(torch.zeros(SIDE, SIDE, device=device, dtype=dtype))
    matrix.grad = gradient.to(device, dtype)
    try:
        torch.optim.Muon([matrix], lr=1.0, weight_decay=0.0, adjust_lr_fn="original").step()
    except RuntimeError:  # also NotImplementedError: a kernel that the device lacks
        return False
    step = matrix.detach().float().cpu()
    if not step.isfinite().all():
        return False
    sizes = torch.linalg.svdvals(step)
    return bool(((sizes > 0.5) & (sizes < 1.5)).all())


def _of_matrices(matrices: list[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    """Return Muon, or AdamW with one logged line if Muon fails on the matrices' device."""
    device, dtype = matrices[0].device, matrices[0].dtype
    choose_muon_precision(device)
    if orthogonalises(device, dtype):
        return torch.optim.Muon(matrices, lr=learning_rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    log.warning("Muon does not work in %s on %s; AdamW trains all weights, which takes more steps", dtype, device)
    return _adamw(matrices, learning_rate)


def _adamw(weights: list[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(weights, lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
