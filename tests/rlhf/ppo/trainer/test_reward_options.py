# SPDX-License-Identifier: Apache-2.0
"""Settings of the reward: estimator, centring, clipping, length penalty and whitening."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reward.base.frozen_base import Base
from tests.support.ppo_parts import (
    exact_logps,
    ppo_config,
    ppo_trainer,
    shake,
    share_of_letters,
    tiny_base,
)


def trainer_with_moved_policy(base: Base, folder, **options):
    """Return a trainer with a rollout of a policy that differs from its reference. gamma = lambda = 1."""
    trainer = ppo_trainer(
        base, ppo_config(folder, gamma=1.0, lam=1.0, standardize_reward=False, missing_eos_penalty=0.0, **options)
    )
    trainer._answer_as_reference()
    shake(base, "policy")
    with base.role("policy"):
        trainer._begin_update(0)
    return trainer


def real(table: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    return table[mask].double().numpy()


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
def test_the_estimator_named_is_the_one_that_is_charged(base, tmp_path, kind):
    """An answer's return at its first token is its score less 0.5 x the sum of the estimator. The expected values come
    from the library's own pass over one unpadded row."""
    trainer = trainer_with_moved_policy(base, tmp_path, kl_estimator=kind, kl_coef=0.5)
    data, formulas = (
        trainer._experience,
        {"k1": lambda d: d, "k2": lambda d: d**2 / 2, "k3": lambda d: np.exp(-d) - 1 + d},
    )
    scores, charged = share_of_letters(None, [base.decode(answer) for answer in data.answers]), []
    for row, (prompt, answer) in enumerate(zip(data.prompts, data.answers, strict=True)):
        policy, reference = (
            exact_logps(base, role, prompt, answer)[range(len(answer)), answer] for role in ("policy", None)
        )
        charged.append(formulas[kind](policy - reference).sum())
        assert data.returns[row, 0].item() == pytest.approx(scores[row] - 0.5 * charged[-1], rel=1e-5, abs=1e-3)
    assert trainer._metrics["kl"] != 0
    assert trainer._metrics["kl" if kind == "k1" else "kl_charged"] == pytest.approx(
        np.mean(charged), rel=1e-5, abs=1e-3
    )
    assert ("kl_charged" in trainer._metrics) is (kind != "k1")


def reference_scores(base: Base, folder, reward, **options):
    trainer = ppo_trainer(base, ppo_config(folder, missing_eos_penalty=0.0, **options), reward=reward)
    trainer._answer_as_reference()
    return trainer, trainer.scorer.shape(trainer.validation.reference.raw, trainer.validation.reference.answers)


def length_reward(prompts, answers):
    return [7.0 + 3.0 * len(text) for text in answers]


def test_rewards_may_be_centred_and_keep_their_own_unit(base, tmp_path):
    trainer, scores = reference_scores(base, tmp_path, length_reward, standardize_reward=False, center_reward=True)
    raw = trainer.validation.reference.raw
    assert torch.allclose(scores, raw - raw.mean(), atol=1e-4)
    assert raw.std() > 1.5  # so that a deviation of 1 would not pass


def test_a_reward_is_clipped_in_its_standard_unit_before_penalties(base, tmp_path):
    trainer, scores = reference_scores(base, tmp_path, length_reward, reward_clip=0.5, length_penalty=10.0)
    raw, lengths = (
        trainer.validation.reference.raw.numpy(),
        np.array([len(answer) for answer in trainer.validation.reference.answers.ids]),
    )
    standard = (raw - raw.mean()) / raw.std()
    assert abs(standard).max() > 0.5
    assert np.allclose(scores, standard.clip(-0.5, 0.5) - 10.0 * lengths, atol=1e-3)


def test_only_tokens_beyond_the_free_ones_are_charged(base, tmp_path):
    trainer, scores = reference_scores(
        base, tmp_path, lambda p, a: [5.0] * len(a), standardize_reward=False, length_penalty=0.25, length_free=3
    )
    expected = [5.0 - 0.25 * max(0, len(answer) - 3) for answer in trainer.validation.reference.answers.ids]
    assert min(expected) < 5.0
    assert scores.tolist() == pytest.approx(expected)


def test_whitening_of_rewards_and_advantages_can_be_chosen(base, tmp_path):
    plain = trainer_with_moved_policy(base, tmp_path, whiten_advantages=False)
    data, keep = plain._experience, plain._experience.mask
    assert torch.allclose(data.advantages, torch.where(keep, data.returns - data.old_values, 0.0), atol=1e-5)
    other = tiny_base("llama", tmp_path)
    white = trainer_with_moved_policy(other, tmp_path, whiten_rewards=True, whiten_advantages=False)._experience
    before, after = (real(rewards_of(x.returns, keep), keep) for x in (data, white))
    expected = (before - before.mean()) / np.sqrt(before.var() + 1e-8) + before.mean()
    assert np.allclose(after, expected, atol=1e-3)


def rewards_of(returns: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the rewards of returns (B, T) at gamma = lambda = 1: each return less the next."""
    following = torch.cat([returns[:, 1:], torch.zeros_like(returns[:, :1])], 1)
    return torch.where(mask, returns - following, 0.0)
