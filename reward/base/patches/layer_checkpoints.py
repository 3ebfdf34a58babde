# SPDX-License-Identifier: Apache-2.0
"""Gradient checkpointing in eval mode: a decoder layer keeps its input, and backward computes the layer again.

transformers checkpoints in train mode only, which would switch dropout on.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base


def checkpoint_layers(base: Base, every: int = 1) -> None:
    """Checkpoint every nth decoder layer of a base, from the first on, when gradients are recorded.

    Raises BadInput for a model without layers that transformers can checkpoint.
    """
    layers = [module for module in base.causal.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise bad_input("refused.no_checkpoints", field="gradient_checkpointing", model=type(base.causal).__name__)
    for layer in layers[::every]:
        module: nn.Module = layer
        module.forward = partial(_forward, base, layer.forward)


def _forward(base: Base, forward: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (a layer of any model)
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    role = base.active

    def compute(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (as above)
        if base.active == role:
            return forward(*args, **kwargs)
        with base.role(role):  # backward computes the critic's layers under the policy's role
            return forward(*args, **kwargs)

    return checkpoint(compute, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)
