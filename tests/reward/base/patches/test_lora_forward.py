# SPDX-License-Identifier: Apache-2.0
"""A LoRA layer in one matrix product: the same numbers and gradients as PEFT's, and PEFT's own way where it has to stay."""

from __future__ import annotations

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Linear
from torch import nn

from reward.base.patches.lora_forward import patch_forward


def pair(dtype=torch.float64, bias=True, **options) -> tuple[nn.Module, nn.Module]:
    """The same adapted network twice: PEFT's, and ours."""
    torch.manual_seed(0)
    net = (
        nn.Sequential(nn.Linear(6, 10, bias=bias), nn.Tanh(), nn.Linear(10, 4, bias=bias))
        .to(dtype)
        .requires_grad_(False)
    )
    theirs = get_peft_model(net, LoraConfig(r=3, lora_alpha=5, target_modules=["0", "2"], **options)).to(dtype).eval()
    for name, matrix in theirs.named_parameters():
        if "lora_" in name:
            nn.init.normal_(matrix)
    ours = copy.deepcopy(theirs)
    for layer in ours.modules():
        if isinstance(layer, Linear):
            patch_forward(layer)
    return theirs, ours


def gradients(net: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """Output, and the gradients of a curved loss for the input and all that trains."""
    x = x.clone().requires_grad_()
    out = net(x)
    out.square().sum().backward()
    return [out.detach(), x.grad, *(p.grad for p in net.parameters() if p.requires_grad)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"use_dora": True}], ids=str)
def test_outputs_and_gradients_are_those_of_peft(bias, options):
    theirs, ours = pair(bias=bias, **options)
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    for mine, their in zip(gradients(ours, x), gradients(theirs, x), strict=True):
        torch.testing.assert_close(mine, their, rtol=1e-10, atol=1e-10)


def test_the_frozen_weight_gets_no_gradient():
    _, ours = pair()
    gradients(ours, torch.randn(3, 6, dtype=torch.float64))
    assert all(p.grad is None for p in ours.parameters() if not p.requires_grad)


@pytest.mark.parametrize("states", [["default"], []], ids=["adapted", "bare"])
def test_the_active_adapter_decides(states):
    theirs, ours = pair()
    x = torch.randn(3, 6, dtype=torch.float64)
    for net in (theirs, ours):
        for layer in net.modules():
            if isinstance(layer, Linear):
                layer._active_adapter = states
    torch.testing.assert_close(ours(x), theirs(x))


def test_a_merged_layer_is_not_adapted_twice():
    _, ours = pair()
    x = torch.randn(3, 6, dtype=torch.float64)
    before = ours(x)
    for layer in ours.modules():
        if isinstance(layer, Linear):
            layer.merge()
    torch.testing.assert_close(ours(x), before)


def test_under_autocast_both_ways_are_off_by_what_bf16_costs():
    theirs, ours = pair(torch.float32)
    x = torch.randn(64, 6)
    exact = gradients(theirs, x)
    with torch.autocast("cpu", torch.bfloat16):
        result = gradients(ours, x)
    for mine, right in zip(result, exact, strict=True):
        assert mine.isfinite().all()
        assert (mine.float() - right).norm() < 0.05 * right.norm()


def test_with_half_precision_weights_the_sum_is_made_in_float32_and_rounded_once():
    theirs, ours = pair(torch.float64)
    for net in (theirs, ours):
        for name, matrix in net.named_parameters():
            matrix.data = matrix.data.to(torch.float32 if "lora_" in name else torch.bfloat16)
    x = torch.randn(64, 6).bfloat16()
    mine, right = ours.base_model.model[0](x), theirs.base_model.model[0](x)
    assert mine.dtype == torch.bfloat16
    assert torch.equal(mine, right)
    first = ours.base_model.model[0]
    exact = first.base_layer(x).double() + first.scaling["default"] * (
        x.double() @ first.lora_A["default"].weight.double().T @ first.lora_B["default"].weight.double().T
    )
    assert (mine == exact.to(torch.bfloat16)).float().mean() > 0.99
