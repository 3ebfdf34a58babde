# SPDX-License-Identifier: Apache-2.0
"""The trainer learns a rule, and scores have the reference's mean and deviation as their unit."""

from __future__ import annotations

import pytest
import torch

from rlhf.ppo.reward_shaping import Scorer
from tests.support.ppo_parts import (
    PROMPTS,
    RULE,
    ppo_config,
    ppo_trainer,
    rollouts,
    share_of_letters,
)

HELD_OUT = [{"prompt": f"Give {number} tips."} for number in range(6)]


def test_it_learns_a_rule(base, tmp_path):
    """The reward is the share of small letters and blanks: about a quarter in a random model's answers."""
    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=8, **RULE), held_out=PROMPTS * 4)
    trainer.train()
    assert trainer.best.update == 8
    assert trainer.best.reward > 0.4  # standard deviations of the start's answers to prompts it never trained on
    assert rollouts(trainer)[-1]["reward"] > rollouts(trainer)[0]["reward"] + 0.5


def test_check_26_the_reward_has_the_references_mean_and_deviation_as_its_unit(base, tmp_path):
    trainer = ppo_trainer(
        base,
        ppo_config(tmp_path, missing_eos_penalty=0.0),
        reward=lambda p, a: [7.0 + len(text) for text in a],
        held_out=HELD_OUT,
    )
    trainer.train()
    scores = trainer.scorer.standardize(trainer.validation.reference.raw, [True] * len(HELD_OUT))
    assert scores.mean().item() == pytest.approx(0, abs=1e-5)
    assert scores.std(unbiased=False).item() == pytest.approx(1, abs=1e-5)


def test_a_missing_end_costs_its_penalty(base):
    scorer = Scorer(base, share_of_letters, missing_eos_penalty=1.5)
    assert scorer.standardize(torch.tensor([2.0, 2.0]), [True, False]).tolist() == [2.0, 0.5]


def test_check_04_trained_ids_are_the_sampled_ids(base, tmp_path):
    """The ids are not the tokenizer's ids of the text: a random model samples splits that no tokenizer makes."""
    trainer = ppo_trainer(base, ppo_config(tmp_path))
    trainer.train()
    data = trainer._experience
    again = [base.encode_completion(base.decode(answer)) for answer in data.answers]
    assert any(answer != other for answer, other in zip(data.answers, again, strict=True))
    assert all(len(answer) <= 8 for answer in data.answers)
    assert data.mask.sum(1).tolist() == [len(answer) for answer in data.answers]


def test_bfloat16_keeps_log_probabilities_in_float32(base, tmp_path):
    trainer = ppo_trainer(base, ppo_config(tmp_path, bf16=True))
    trainer.train()
    log = rollouts(trainer)[0]
    assert log["kl"] == 0.0  # policy and reference in the same numbers
    assert trainer._experience.old_logps.dtype == torch.float32
    assert log["clip_fraction"] <= 0.5
