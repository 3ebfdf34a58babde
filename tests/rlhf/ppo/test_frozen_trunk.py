# SPDX-License-Identifier: Apache-2.0
"""The frozen trunk is computed once: the same numbers as without, and only where nothing below the adapters can
change."""

from __future__ import annotations

import pytest
import torch

from reward.base.lora_targets import lora_config
from rlhf.ppo.frozen_trunk import FrozenTrunk
from tests.support.ppo_parts import tiny_base

ROWS = [[5, 6, 7, 8, 9], [10, 11, 12]]
KEYS = [tuple(row) for row in ROWS]


def top_half(kind, folder):
    """A base of two layers with a trainable adapter, not at its start, in the second one."""
    base = tiny_base(kind, folder)
    base.add_adapter("policy", config=lora_config(base.causal, 2, layers="1-"), trainable=True)
    torch.manual_seed(1)
    for matrix in base.parameters("policy"):
        torch.nn.init.normal_(matrix, std=0.1)
    return base


def layer_calls(base) -> list[int]:
    """Grows by the number of a decoder layer whenever that one computes attention."""
    calls = []
    attentions = [module for name, module in base.causal.named_modules() if name.endswith(("self_attn", ".attn"))]
    for number, attention in enumerate(attentions):
        attention.register_forward_hook(lambda *_, number=number: calls.append(number))
    return calls


def gradients(base, states, mask):
    for matrix in base.parameters("policy"):
        matrix.grad = None
    states[mask].square().sum().backward()
    return [matrix.grad for matrix in base.parameters("policy")]


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "gemma2", "opt350", "falcon-h1"])
def test_a_known_row_gives_the_same_states_and_gradients_without_its_frozen_layers(kind, tmp_path):
    base = top_half(kind, tmp_path)
    trunk, (ids, mask) = FrozenTrunk(base), base.collate(ROWS)
    with base.role("policy"):
        plain = base.hidden(ids, mask)
        expected = gradients(base, plain, mask)
        trunk.hidden(ids, mask, KEYS)
        calls = layer_calls(base)
        reordered = trunk.hidden(ids.flip(0), mask.flip(0), KEYS[::-1]).flip(0)
        assert calls == [1]
        torch.testing.assert_close(reordered[mask], plain[mask], rtol=1e-6, atol=1e-6)
        for mine, right in zip(gradients(base, reordered, mask), expected, strict=True):
            torch.testing.assert_close(mine, right, rtol=1e-5, atol=1e-5)  # sums over rows in another order


def test_the_reference_reads_what_the_policy_left_and_a_forgotten_row_is_computed_again(tmp_path):
    base = top_half("llama", tmp_path)
    trunk, (ids, mask) = FrozenTrunk(base), base.collate(ROWS)
    calls = layer_calls(base)
    with base.role("policy"):
        trunk.hidden(ids, mask, KEYS)
    bare = trunk.hidden(ids, mask, KEYS)
    assert calls == [0, 1, 1]
    trunk.clear()
    torch.testing.assert_close(trunk.hidden(ids, mask, KEYS)[mask], bare[mask], rtol=1e-6, atol=1e-6)
    assert calls == [0, 1, 1, 0, 1]


def test_a_new_row_beside_known_ones_is_not_mistaken_for_them(tmp_path):
    base = top_half("llama", tmp_path)
    trunk, (ids, mask) = FrozenTrunk(base), base.collate(ROWS)
    trunk.hidden(ids, mask, KEYS)
    other, longer = base.collate([ROWS[0], [*ROWS[1], 13]])
    torch.testing.assert_close(
        trunk.hidden(other, longer, [KEYS[0], (*KEYS[1], 13)])[longer],
        base.hidden(other, longer)[longer],
        rtol=1e-6,
        atol=1e-6,
    )


def test_a_role_that_is_adapted_below_takes_all_layers(tmp_path):
    base = top_half("llama", tmp_path)
    base.add_adapter("judge")
    trunk, (ids, mask) = FrozenTrunk(base), base.collate(ROWS)
    trunk.hidden(ids, mask, KEYS)
    calls = layer_calls(base)
    with base.role("judge"):
        trunk.hidden(ids, mask, KEYS)
    assert calls == [0, 1]


def test_adapters_in_every_layer_leave_nothing_to_keep(tmp_path):
    base = tiny_base("llama", tmp_path)
    base.add_adapter("policy", trainable=True)
    assert FrozenTrunk(base).depth == 0
