# SPDX-License-Identifier: Apache-2.0
"""A LoRA layer in one matrix product: y = x (W + s B A)', with gradients for A, B and x only.

PEFT computes x W' + s (x A') B' and keeps what lies between; for small ranks its time is not the arithmetic but
four passes over activations. Here the product s B A is added to W anew in every forward pass, which costs r
multiplications per weight, not per token. Backward is that of the sum: W itself never gets a gradient, and W + s B
A is not kept, for (W + s B A)'s part is had from A and B.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from peft.tuners.lora import Linear, LoraLayer
from torch import Tensor, nn
from torch.autograd import Function


class MergedLinear(Function):
    """x (..., in) times (weight + scale up down)', plus bias; weight (out, in), down (r, in), up (out, r)."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (torch gives it no type)
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        scale: float,  # noqa: ANN401 (torch gives it no type)
    ) -> Tensor:
        """Under autocast the sum is made in the weights' precision and rounded once."""
        device = x.device.type
        x = x.to(torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype)
        ctx.save_for_backward(x, weight, down, up)
        ctx.scale = scale
        merged = torch.addmm(weight, up.to(weight.dtype), down.to(weight.dtype), alpha=scale).to(x.dtype)
        return nn.functional.linear(x, merged, None if bias is None else bias.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 (torch gives it no type)
        """With g = dL/dy: dL/dx = g W + s (g B) A, dL/dA = s (g B)' x, dL/dB = s g' (x A')."""
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


def set_active_adapters(layer: LoraLayer, names: list[str]) -> None:
    """Activate these adapters of a layer; PEFT's own setter also changes `requires_grad` of all adapters."""
    layer._active_adapter = names


def patch_forward(layer: LoraLayer) -> None:
    """Let a LoRA layer on a plain linear one compute as above wherever one plain adapter is active.

    Elsewhere PEFT's way stays.
    """
    if type(layer) is Linear and type(layer.base_layer) is nn.Linear:
        layer.forward = partial(_forward, layer)


def _forward(layer: Linear, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:  # noqa: ANN401 (passed through)
    if layer.merged and not (args or kwargs or layer.disable_adapters):
        return layer.base_layer(x)
    active = [name for name in layer._active_adapter if name in layer.lora_A]
    if args or kwargs or layer.merged or layer.disable_adapters or len(active) != 1 or not _plain(layer, active[0]):
        return Linear.forward(layer, x, *args, **kwargs)
    name, linear = active[0], layer.base_layer
    return MergedLinear.apply(
        x, linear.weight, linear.bias, layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]
    )


def _plain(layer: Linear, name: str) -> bool:
    """Neither dropout, nor DoRA and its kin, nor a bias of the adapter's own."""
    return (
        isinstance(layer.lora_dropout[name], nn.Identity)
        and name not in layer.lora_variant
        and not layer.lora_bias[name]
    )
