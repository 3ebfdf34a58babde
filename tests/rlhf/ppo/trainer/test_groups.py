# SPDX-License-Identifier: Apache-2.0
"""The estimator `group`: several answers to each prompt are compared with each other, and there is no critic."""

from __future__ import annotations

import pytest
import torch

from data.errors import BadInput
from rlhf.ppo import arithmetic
from rlhf.ppo.rollout import choose_prompt_rows
from rlhf.ppo.settings import PPOSettings
from tests.support.ppo_parts import PROMPTS, RULE, begun, ppo_config, ppo_trainer, rollouts

NAN = float("nan")


def test_an_answer_is_compared_with_the_mean_of_the_others_to_its_prompt():
    """Sums 1, 2, 3: the others' means are 2.5, 2 and 1.5. Sums 0, 0, 6: they are 3, 3 and 0."""
    rewards = torch.tensor([[1.0, NAN], [0.5, 1.5], [3.0, 0.0], [0.0, 0.0], [0.0, NAN], [2.0, 4.0]])
    mask = torch.tensor([[1, 0], [1, 1], [1, 1], [1, 1], [1, 0], [1, 1]], dtype=torch.bool)
    assert arithmetic.group_advantages(rewards, mask, 3).tolist() == [
        [-1.5, 0.0],
        [0.0, 0.0],
        [1.5, 1.5],
        [-3.0, -3.0],
        [-3.0, 0.0],
        [6.0, 6.0],
    ]


def test_a_rollout_answers_each_of_its_prompts_as_often_as_the_group_is_large():
    """Two updates of 8 answers in groups of 4 go over four of the prompts, as updates of 2 answers do."""
    rows = [row for update in range(2) for row in choose_prompt_rows(7, update, 8, 16, group=4)]
    assert rows[::4] == rows[3::4] == choose_prompt_rows(7, 0, 2, 16) + choose_prompt_rows(7, 1, 2, 16)
    assert len(set(rows)) == 4


def test_answers_to_one_prompt_differ_and_their_advantages_add_up_to_nothing(base, tmp_path):
    trainer = begun(base, tmp_path, estimator="group", group_size=4, whiten_advantages=False)
    data = trainer._experience
    assert [prompt == data.prompts[0] for prompt in data.prompts] == [True] * 4 + [False] * 4
    assert len({tuple(answer) for answer in data.answers[:4]}) > 1
    per_answer = data.advantages[:, 0]
    assert per_answer.view(2, 4).sum(1).tolist() == pytest.approx([0, 0], abs=1e-5)
    assert per_answer.abs().max() > 0.1


def test_without_a_critic_no_value_is_computed_trained_or_logged(base, tmp_path):
    trainer = ppo_trainer(base, ppo_config(tmp_path, estimator="group", group_size=4, updates=2), held_out=PROMPTS[:4])
    trainer.train()
    assert trainer.args.critic == "none"
    assert not any(weights.requires_grad for weights in trainer.model.value_head.parameters())
    assert trainer._experience.old_values.abs().max() == 0
    assert all("value_loss" not in log and "explained_variance" not in log for log in rollouts(trainer))


def test_groups_learn_a_rule(base, tmp_path):
    """The reward is the share of small letters and blanks: about a quarter in a random model's answers."""
    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=8, estimator="group", **RULE), held_out=PROMPTS * 4)
    trainer.train()
    assert trainer.best.reward > 0.3  # standard deviations of the start's answers
    assert rollouts(trainer)[-1]["reward"] > rollouts(trainer)[0]["reward"] + 0.5


def test_a_rollout_that_no_group_divides_is_refused(tmp_path):
    with pytest.raises(BadInput, match="a rollout of 8 answers does not divide into groups of 3"):
        ppo_config(tmp_path, estimator="group", group_size=3)


def test_one_answer_has_nothing_to_be_compared_with(tmp_path):
    one = {"rollout_batch_size": 1, "per_device_train_batch_size": 1}
    with pytest.raises(BadInput, match="a rollout of 1 answers does not divide"):
        ppo_config(tmp_path, estimator="group", **one)
    with pytest.raises(BadInput, match="batch_size=1 leaves estimator=group nothing to compare"):
        PPOSettings(batch_size=1, minibatch=1)
