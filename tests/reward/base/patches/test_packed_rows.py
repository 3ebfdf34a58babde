# SPDX-License-Identifier: Apache-2.0
"""Canary: transformers searches rows without a mask for packed texts, and not inside of `unpacked_rows`."""

from __future__ import annotations

import pytest
import torch

from reward.base.frozen_base import Base
from reward.base.patches.packed_rows import unpacked_rows
from tests.gpu.host_syncs import HostSyncs
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(params=["llama", "gemma2", "qwen2"])
def base(request, tmp_path) -> Base:
    return Base.load(make_tiny_model(request.param, tmp_path))


def test_the_search_waits_for_the_host_and_is_left_out(base):
    ids = torch.arange(5, 12)[None]
    positions = torch.arange(7)[None]
    with HostSyncs() as plain:
        expected = base.causal(ids, position_ids=positions, use_cache=False).logits
    with HostSyncs() as patched, unpacked_rows():
        result = base.causal(ids, position_ids=positions, use_cache=False).logits
    assert plain.total - patched.total > 0
    assert patched.total == 0
    assert torch.equal(result, expected)


def test_right_padded_rows_are_read_without_a_wait_and_bit_for_bit(base):
    batch = base.collate([[5, 6, 7, 8, 9, 10], [9, 8], [4, 5, 6, 7]])
    with HostSyncs() as plain:
        expected = base.hidden(*batch)
    with HostSyncs() as told:
        result = base.hidden(*batch, right_padded=True)
    assert plain.total > 1
    assert told.total == 0
    assert torch.equal(result, expected)
