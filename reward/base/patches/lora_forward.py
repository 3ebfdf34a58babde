# SPDX-License-Identifier: Apache-2.0
"""A LoRA layer that stores its input alone: y = x (W + s B A)', with gradients for A, B and x only.

PEFT computes x W' + s (x A') B' and stores the intermediate results. For small ranks its time goes into four passes
over activations, not into arithmetic. Here every forward pass adds s B A to W, which costs r multiplications per weight
and none per token. The backward pass is that of the sum. W gets no gradient, and W + s B A is not stored: backward
computes its share from A and B.

W in half precision has no digits left for s B A. Its outputs are therefore summed as PEFT does, in float32, and rounded
once; a sampler needs no second copy of such weights. `docs/decisions/0006-half-precision-lora.md` has the figures.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import torch
from peft.tuners.lora import Linear, LoraLayer
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.functional import linear


class Context(Protocol):
    """The parts of torch's context object that `LoraProduct` uses."""

    scale: float
    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keep tensors for the backward pass."""
        ...


class LoraProduct(Function):
    """Compute x (..., in) times (weight + scale up down)', plus bias; weight (out, in), down (r, in), up (out, r)."""

    @staticmethod
    def forward(
        ctx: Context,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        scale: float,
    ) -> Tensor:
        """Return the outputs (..., out). The sum is computed in float32 at least and rounded once to x's precision.

        Autocast would round the product of B and A first, and sampler and trainer would differ by that.
        """
        device = x.device.type
        x = x.to(torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype)
        ctx.save_for_backward(x, weight, down, up)
        ctx.scale = scale
        bias = None if bias is None else bias.to(x.dtype)
        with torch.autocast(device, enabled=False):
            if is_half(weight):
                exact = linear(linear(x.float(), down.float()), up.float(), None) * scale
                return exact.add_(linear(x, weight.to(x.dtype), bias)).to(x.dtype)
            merged = torch.addmm(weight, up.to(weight.dtype), down.to(weight.dtype), alpha=scale)
            return linear(x, merged.to(x.dtype), bias)

    @staticmethod
    def backward(ctx: Context, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of `forward`'s inputs for g = dL/dy.

        dL/dx = g W + s (g B) A, dL/dA = s (g B)' x, dL/dB = s g' (x A').
        """
        x, weight, down, up = ctx.saved_tensors
        rows, out = x.flatten(0, -2), grad.flatten(0, -2)
        narrow = ctx.scale * (out @ up.to(x.dtype))
        grad_down = grad_up = grad_x = None
        if ctx.needs_input_grad[3]:
            grad_down = (narrow.mT @ rows).to(down.dtype)
            grad_up = (out.mT @ (ctx.scale * (rows @ down.to(x.dtype).mT))).to(up.dtype)
        if ctx.needs_input_grad[0]:
            grad_x = torch.addmm(out @ weight.to(x.dtype), narrow, down.to(x.dtype)).view_as(x)
        return grad_x, None, None, grad_down, grad_up, None


def is_half(weight: Tensor) -> bool:
    """Return whether a weight has fewer digits than float32."""
    return weight.dtype in (torch.bfloat16, torch.float16)


def set_active_adapters(layer: LoraLayer, names: list[str]) -> None:
    """Activate these adapters of a layer; PEFT's own setter also changes `requires_grad` of all adapters."""
    layer._active_adapter = names


def patch_forward(layer: LoraLayer) -> None:
    """Make a LoRA layer on a plain linear layer compute as above when exactly one plain adapter is active.

    In all other cases PEFT's own forward pass runs.
    """
    if type(layer) is Linear and type(layer.base_layer) is nn.Linear:
        module: nn.Module = layer
        module.forward = partial(_forward, layer)


def _forward(layer: Linear, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:  # noqa: ANN401 passed through to PEFT
    if layer.merged and not (args or kwargs or layer.disable_adapters):
        return layer.base_layer(x)
    active = [name for name in layer._active_adapter if name in layer.lora_A]
    if args or kwargs or layer.merged or layer.disable_adapters or len(active) != 1 or not _plain(layer, active[0]):
        return Linear.forward(layer, x, *args, **kwargs)
    name, inner = active[0], layer.base_layer
    return LoraProduct.apply(
        x, inner.weight, inner.bias, layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]
    )


def _plain(layer: Linear, name: str) -> bool:
    """Return whether the adapter has no dropout, no variant such as DoRA, and no bias of its own."""
    return (
        isinstance(layer.lora_dropout[name], nn.Identity)
        and name not in layer.lora_variant
        and not layer.lora_bias[name]
    )
