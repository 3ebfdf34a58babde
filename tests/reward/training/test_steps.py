# SPDX-License-Identifier: Apache-2.0
"""Optimizer steps hold the same rows in any number of processes and passes, each row once."""

from __future__ import annotations

import pytest

from reward.base import distributed
from reward.training.steps import StepSampler

LENGTHS = [(37 * n) % 101 for n in range(101)]  # 12 steps of 8 rows and one of 5


def passes_of(monkeypatch, processes, size):
    """Return each process's sampler and its passes."""
    monkeypatch.setattr(distributed, "world_size", lambda: processes)
    shared = []
    for rank in range(processes):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        sampler = StepSampler(LENGTHS, 8, size, seed=0)
        weights = [weight for step in range(sampler.steps_per_epoch) for weight in sampler.weights(step)]
        shared.append((list(sampler), weights, len(sampler)))
    return shared


def test_steps_hold_similar_lengths_and_every_row_once():
    sampler = StepSampler(LENGTHS, 8, 8, seed=0)
    steps = list(sampler)
    assert sorted(row for step in steps for row in step) == list(range(101))
    assert [len(step) for step in steps] == [8] * 12 + [5]
    assert max(max(LENGTHS[i] for i in step) - min(LENGTHS[i] for i in step) for step in steps[:8]) < 40
    assert steps == list(StepSampler(LENGTHS, 8, 8, seed=0))
    assert steps != list(StepSampler(LENGTHS, 8, 8, seed=1))
    sampler.batch_sampler.set_epoch(1)
    assert steps != list(sampler)


@pytest.mark.parametrize(("processes", "size"), [(1, 8), (1, 3), (2, 4), (2, 2), (2, 1), (3, 3), (8, 1)])
def test_processes_and_passes_share_a_step_whose_weights_add_up_to_one(monkeypatch, processes, size):
    """5 rows in 8 processes: three of them have none, and compute a row that weighs nothing."""
    steps = StepSampler(LENGTHS, 8, 8, seed=0).steps()
    shared = passes_of(monkeypatch, processes, size)
    assert len({length for *_, length in shared}) == 1
    assert {len(passes) for passes, *_ in shared} == {shared[0][2]} == {len(weights) for _, weights, _ in shared}
    parts = -(-8 // (processes * size))
    own = [[*zip(passes, weights, strict=True)] for passes, weights, _ in shared]
    for number, step in enumerate(steps):
        pieces = [piece for passes in own for piece in passes[number * parts : (number + 1) * parts]]
        assert sum(weight for _, weight in pieces) == pytest.approx(1)
        assert sorted(row for rows, weight in pieces for row in rows if weight) == sorted(step)
        assert all(
            len(rows) <= size and weight == pytest.approx(len(rows) / len(step)) for rows, weight in pieces if weight
        )
