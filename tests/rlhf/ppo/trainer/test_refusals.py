# SPDX-License-Identifier: Apache-2.0
"""The trainer refuses unusable rewards, sizes and prompts before a weight changes."""

from __future__ import annotations

import pytest
import torch

from data.errors import BadInput
from tests.support.ppo_parts import (
    PROMPTS,
    policy_weights,
    ppo_config,
    ppo_trainer,
)


def test_prompts_may_be_conversations(base, tmp_path):
    rows = [{"prompt": [{"role": "user", "content": row["prompt"]}]} for row in PROMPTS]
    scored_prompts = []
    trainer = ppo_trainer(
        base, ppo_config(tmp_path), reward=lambda p, a: [scored_prompts.append(x) or 0.0 for x in p], train=rows
    )
    trainer.train()
    assert scored_prompts[0] == rows[0]["prompt"]
    assert trainer.prompts[3] == base.encode_prompt(PROMPTS[3]["prompt"])


@pytest.mark.parametrize(
    ("reward", "error"),
    [
        (lambda p, a: [float("nan")] * len(a), "nan"),
        (lambda p, a: [float("inf")] * len(a), "inf"),
        (lambda p, a: [0.0] * (len(a) - 1), "7 scores for 8 answers"),
        (lambda p, a: 1 / 0, "the reward raised ZeroDivisionError: division by zero"),
        (lambda p, a: ["good"] * len(a), "the reward raised ValueError"),
    ],
)
def test_a_reward_that_cannot_be_used_is_refused_before_a_weight_moves(base, tmp_path, reward, error):
    trainer = ppo_trainer(base, ppo_config(tmp_path), reward=reward)
    before = policy_weights(base)
    with pytest.raises(BadInput, match=error):
        trainer.train()
    assert torch.equal(policy_weights(base), before)


def test_a_configuration_that_cannot_work_names_its_field(tmp_path):
    with pytest.raises(BadInput) as caught:
        ppo_config(tmp_path, rollout_batch_size=10)
    assert caught.value.field == "rollout_batch_size"


@pytest.mark.parametrize(
    ("marks", "error"),  # a prompt is its marks and two control tokens; the context has 256
    [
        (253, "row 1 of train_dataset has a prompt of 255 tokens, a context of 256 leaves no room for an answer"),
        (300, "is 302 tokens long"),
    ],
)
def test_a_prompt_that_fills_the_context_is_refused_before_anything_is_sampled(base, tmp_path, marks, error):
    with pytest.raises(BadInput, match=error):
        ppo_trainer(base, ppo_config(tmp_path), train=[{"prompt": "short"}, {"prompt": "!" * marks}])


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([], "train_dataset has 0 rows for 1 process"),
        ([{"text": "Hello"}], r"row 0 of train_dataset has no 'prompt' but \['text'\]"),
    ],
)
def test_a_data_set_without_prompts_is_refused(base, tmp_path, rows, error):
    with pytest.raises(BadInput, match=error):
        ppo_trainer(base, ppo_config(tmp_path), train=rows)


def test_every_answer_has_a_token_even_where_one_is_all_it_may_have(base, tmp_path):
    """No answer is empty: it contains its first token, even if that is the end token."""
    trainer = ppo_trainer(base, ppo_config(tmp_path, max_new_tokens=1))
    trainer.train()
    assert trainer._experience.mask.sum(1).tolist() == [1] * 8
