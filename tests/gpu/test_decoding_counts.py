# SPDX-License-Identifier: Apache-2.0
"""Host synchronisations and operations of the path that a GPU takes, counted on a CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rlhf.sampling.decoding import BLOCK, DecodePlan
from rlhf.sampling.fixed_batch import FixedBatch
from rlhf.sampling.growing_batch import GrowingBatch
from rlhf.sampling.sampler import banned_ids, draw_uniforms, generate
from tests.gpu.host_syncs import HostSyncs
from tests.support.sampled_answers import PROMPTS, base_with_policy

GPU = DecodePlan(BLOCK, fixed=True)


@pytest.fixture
def base(tmp_path):
    return base_with_policy("llama", tmp_path)


def counted(base, monkeypatch, plan: DecodePlan, noise, size: int = 256, **options) -> HostSyncs:
    monkeypatch.setattr(DecodePlan, "of", classmethod(lambda cls, base: plan))
    prompts = [base.encode_prompt(PROMPTS[number % len(PROMPTS)]) for number in range(len(noise))]
    with base.role("policy"):
        generate(base, prompts[:1], noise[:1, :1], max_new_tokens=1, **options)  # a base measures its adapter once
    with base.role("policy"), HostSyncs() as syncs:
        generate(base, prompts, noise, max_new_tokens=noise.shape[1], batch_size=size, **options)
    return syncs


def test_the_counter_counts_reads_and_shapes_that_depend_on_values():
    values = torch.tensor([1, 0, 2])
    with HostSyncs() as syncs:
        values.tolist(), values.sum().item(), bool(values.any()), int(values[0]), values.cpu()
        values[values > 0], values.nonzero(), values.unique()
        values.cumsum(0), values + 1, values[torch.tensor([0, 2])]
    assert syncs.total == 8


def test_a_gpu_waits_for_the_host_once_per_block(base, monkeypatch):
    """Two lengths, so that all that happens once per call drops out."""
    banned = [*banned_ids(base), *base.eos_ids]
    short, long = (
        counted(base, monkeypatch, GPU, np.full((5, length), 0.5), banned=banned)
        for length in (1 + BLOCK, 1 + 5 * BLOCK)
    )
    assert long.total - short.total == 4
    assert (long.operations - short.operations) / (4 * BLOCK) < 250  # 2 layers; a CUDA graph launches them at once


def test_a_cpu_waits_twice_per_token(base, monkeypatch):
    """Once by transformers for the mask, once for the rows that still run: reads that cost a CPU nothing."""
    banned = [*banned_ids(base), *base.eos_ids]
    short, long = (
        counted(base, monkeypatch, DecodePlan(), np.full((5, length), 0.5), banned=banned) for length in (10, 20)
    )
    assert long.total - short.total == 20


def test_refills_stay_within_one_wait_per_sixteen_tokens(base, monkeypatch):
    """40 answers of uneven length in 8 rows; a token counts once per row that needs it."""
    reads, steps, read, step = [], [], GrowingBatch.__init__, FixedBatch.step
    monkeypatch.setattr(GrowingBatch, "__init__", lambda *args: (reads.append(1), read(*args))[1])
    monkeypatch.setattr(FixedBatch, "step", lambda batch: (steps.append(1), step(batch))[1])
    noise = draw_uniforms(0, 0, range(40), 80)
    syncs = counted(base, monkeypatch, GPU, noise, size=8, banned=banned_ids(base))
    assert len(reads) > 2
    per_look = {site: count for site, count in syncs.sites.items() if site.startswith("sampling/decoding.py")}
    assert max(per_look.values()) <= len(steps) / BLOCK + len(reads)
    assert syncs.total <= len(steps) / BLOCK + 4 * len(reads) + 8
