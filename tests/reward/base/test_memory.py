# SPDX-License-Identifier: Apache-2.0
"""Passes fit the free memory, and memory that ran out halves them once."""

from __future__ import annotations

import pytest
import torch

from reward.base import machine, memory, out_of_memory
from reward.base.out_of_memory import halved, is_out_of_memory, retry_halved, split_step
from tests.support.ppo_parts import tiny_base


@pytest.fixture(autouse=True)
def whole_passes(monkeypatch):
    monkeypatch.setattr(out_of_memory, "_halvings", 0)


def test_rows_of_similar_length_share_a_pass_within_both_limits():
    assert memory.split_passes([5, 1, 3, 2, 4], most=2, tokens=100) == [[1, 3], [2, 4], [0]]
    assert memory.split_passes([5, 1, 3, 2, 4], most=9, tokens=9) == [[1, 3, 2], [4], [0]]
    assert memory.split_passes([50], most=9, tokens=8) == [[0]]
    assert memory.split_passes([], most=9, tokens=8) == []


def test_less_free_memory_makes_smaller_passes(tmp_path, monkeypatch):
    base = tiny_base("llama", tmp_path)
    cost, logits = memory.bytes_per_token(base), 4 * memory.LOGIT_COPIES * memory.ELEMENTS
    monkeypatch.setattr(memory, "free_bytes", lambda device: logits + 40 * cost)
    assert memory.tokens_per_pass(base, cost) == 20
    assert memory.reading_passes(base, [5] * 9) == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    monkeypatch.setattr(memory, "free_bytes", lambda device: 0)
    assert len(memory.reading_passes(base, [5] * 9)) == 9
    assert memory.decoding_rows(base, 100, 256) == 1
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2**40)
    assert memory.reading_passes(base, [5] * 70) == [list(range(64)), list(range(64, 70))]
    assert memory.decoding_rows(base, 100, 256) == 256


def test_checkpointing_and_passes_without_gradients_cost_less(tmp_path):
    base = tiny_base("llama", tmp_path)
    reading = memory.bytes_per_token(base)
    assert reading < memory.bytes_per_token(base, gradients=True, checkpointing=True)
    assert memory.bytes_per_token(base, gradients=True) == base.config.num_hidden_layers * reading


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    limit, used = tmp_path / "memory.max", tmp_path / "memory.current"
    limit.write_text("3000\n")
    used.write_text("1000\n")
    monkeypatch.setattr(machine, "CGROUPS", ((str(limit), str(used)),))
    assert memory.free_bytes(torch.device("cpu")) == 2000
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert memory.free_bytes(torch.device("cpu")) == 1000
    limit.write_text("max\n")
    assert memory.free_bytes(torch.device("cpu")) > 2**20


@pytest.mark.parametrize(
    "problem",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: not enough memory"),
    ],
)
def test_work_that_runs_out_of_memory_is_done_again_with_half_the_pass(problem):
    sizes = []

    def work():
        sizes.append((halved(8), *split_step(8)))
        if len(sizes) == 1:
            raise problem
        return "done"

    assert retry_halved(work) == "done"
    assert sizes == [(8, 8, 1), (4, 4, 2)]
    assert [split_step(rows) for rows in (9, 7, 1)] == [(3, 3), (1, 7), (1, 1)]
    with pytest.raises(type(problem)):  # a second time in one process nothing is left to halve
        retry_halved(lambda: (_ for _ in ()).throw(problem))


def test_other_errors_pass_and_causes_count():
    with pytest.raises(RuntimeError, match="shapes differ"):
        retry_halved(lambda: (_ for _ in ()).throw(RuntimeError("shapes differ")))
    wrapped = ValueError("a library's own error")
    wrapped.__cause__ = MemoryError()
    assert is_out_of_memory(wrapped)
    assert halved(8) == 8
