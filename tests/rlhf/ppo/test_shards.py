# SPDX-License-Identifier: Apache-2.0
"""Shards of a rollout join to the whole rollout, and a minibatch has one size in any number of processes."""

from __future__ import annotations

import pytest
import torch

from data.errors import BadInput
from reward.base import distributed
from rlhf.ppo.actor_critic import answer_mask
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.rollout import ScoredRollout, TokenStats, join_shards
from rlhf.ppo.run import split_minibatch
from rlhf.sampling.sampler import Rollout


def part(prompts: list[list[int]], answers: list[list[int]]) -> ScoredRollout:
    mask = answer_mask(answers)
    number = torch.tensor(
        [[float(token) for token in answer] + [0.0] * (mask.shape[1] - len(answer)) for answer in answers]
    )
    rollout = Rollout(answers, [[-1.0] * len(answer) for answer in answers], [True] * len(answers))
    return ScoredRollout(
        prompts,
        rollout,
        torch.tensor([float(sum(answer)) for answer in answers]),
        TokenStats(number, number, number),
        number,
        mask,
    )


def test_shares_of_a_rollout_joined_are_the_rollout():
    prompts, answers = [[1], [2, 3], [4], [5]], [[1, 2], [3], [4, 5, 6], [7]]
    whole, together = (
        part(prompts, answers),
        join_shards([part(prompts[:2], answers[:2]), part(prompts[2:], answers[2:])]),
    )
    assert (together.prompts, together.answers) == (whole.prompts, whole.answers)
    for one, other in zip(
        [*together[2:3], *together.old, *together[4:]], [*whole[2:3], *whole.old, *whole[4:]], strict=True
    ):
        assert torch.equal(one, other)
    assert join_shards([whole]) is whole


def test_alone_a_process_has_everything():
    assert (distributed.world_size(), distributed.rank(), list(distributed.shard(3)), distributed.all_gather("x")) == (
        1,
        0,
        [0, 1, 2],
        ["x"],
    )
    assert distributed.sum_over_ranks({"a": 2.0}) == {"a": 2.0}


@pytest.mark.parametrize(("processes", "expected"), [(1, (16, 2)), (2, (16, 1)), (4, (8, 1)), (32, (1, 1))])
def test_the_minibatch_is_the_same_in_any_number_of_processes(tmp_path, monkeypatch, processes, expected):
    monkeypatch.setattr(PPOConfig, "world_size", processes)
    size, accumulated = split_minibatch(32, processes, 16)
    found = PPOConfig(
        str(tmp_path), per_device_train_batch_size=size, gradient_accumulation_steps=accumulated, use_cpu=True
    )
    assert (size, accumulated) == expected
    assert (found.minibatch_size, found.steps_per_update) == (32, 8)


def test_sizes_that_processes_cannot_share_are_refused_by_name(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="3 processes cannot share minibatch=32 evenly"):
        split_minibatch(32, 3, 16)
    monkeypatch.setattr(PPOConfig, "world_size", 3)
    with pytest.raises(BadInput, match=r"128 answers does not divide into minibatches of 96 \(16 x 2 x 3 processes\)"):
        PPOConfig(str(tmp_path), use_cpu=True)
