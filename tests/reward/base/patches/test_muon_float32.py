# SPDX-License-Identifier: Apache-2.0
"""Muon in float32 takes torch's steps, and only on a CPU that is slower in bfloat16."""

from __future__ import annotations

import pytest
import torch
from torch.optim import _muon

from reward.base.bf16_probe import Rates
from reward.base.patches import muon_float32
from reward.base.patches.muon_float32 import choose_muon_precision, orthogonalise

TORCHS = _muon._zeropower_via_newtonschulz
COEFFICIENTS = 3.4445, -4.7750, 2.0315


@pytest.fixture(autouse=True)
def _as_torch_has_it(monkeypatch):
    monkeypatch.setattr(_muon, "_zeropower_via_newtonschulz", TORCHS)


@pytest.mark.parametrize("shape", [(24, 24), (8, 40), (40, 8)])
def test_it_is_torchs_orthogonalisation_up_to_the_rounding_of_bfloat16(shape):
    gradient = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    ours, theirs = orthogonalise(gradient, COEFFICIENTS, 5, 1e-7), TORCHS(gradient, COEFFICIENTS, 5, 1e-7)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs.float(), rtol=0, atol=0.03)  # bfloat16 has 8 bits


def test_one_step_maps_each_singular_value_by_the_polynomial():
    """diag(0.6, 0.8) has norm 1; with a, b, c = 2, -1, 0.5 a value s becomes 2 s - s^3 + 0.5 s^5."""
    step = orthogonalise(torch.diag(torch.tensor([0.6, 0.8])), (2.0, -1.0, 0.5), 1, 1e-7)
    expected = [2 * s - s**3 + 0.5 * s**5 for s in (0.6, 0.8)]
    torch.testing.assert_close(step, torch.diag(torch.tensor(expected)))


@pytest.mark.parametrize(
    ("device", "bfloat16", "chosen"), [("cpu", 1.0, orthogonalise), ("cpu", 9.0, TORCHS), ("cuda", 1.0, TORCHS)]
)
def test_only_a_cpu_that_is_slower_in_bfloat16_computes_in_float32(monkeypatch, device, bfloat16, chosen):
    monkeypatch.setattr(muon_float32, "cpu_rates", lambda: Rates(float32=5.0, bfloat16=bfloat16))
    choose_muon_precision(torch.device(device))
    assert _muon._zeropower_via_newtonschulz is chosen


def test_torchs_optimizer_takes_its_step_by_it(monkeypatch):
    monkeypatch.setattr(muon_float32, "cpu_rates", lambda: Rates(float32=5.0, bfloat16=1.0))
    choose_muon_precision(torch.device("cpu"))
    weight = torch.nn.Parameter(torch.zeros(4, 6))
    weight.grad = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    torch.optim.Muon([weight], lr=1.0, weight_decay=0.0, momentum=0.0, nesterov=False, adjust_lr_fn="original").step()
    torch.testing.assert_close(weight.detach(), -orthogonalise(weight.grad, COEFFICIENTS, 5, 1e-7))
