# SPDX-License-Identifier: Apache-2.0
"""KL in the trainer: the controller, the charged and the reported KL, and the budget."""

from __future__ import annotations

import pytest

from tests.support.ppo_parts import (
    ppo_config,
    ppo_trainer,
    rollouts,
)

HELD_OUT = [{"prompt": f"Give {number} tips."} for number in range(6)]


def test_check_17_the_controller_is_fed_the_kl_of_whole_answers(base, tmp_path):
    """Bug 21 too."""
    trainer = ppo_trainer(
        base, ppo_config(tmp_path, updates=3, learning_rate=3e-2, kl_coef=0.1, kl_target=0.5, kl_horizon=64.0)
    )
    trainer.train()
    coefficient = 0.1
    for log in rollouts(trainer):
        assert log["kl_coef"] == pytest.approx(coefficient)
        coefficient = max(
            0.1, coefficient * (1 + min(max(log["kl"] / 0.5 - 1, -0.2), 0.2) * 8 / 64)
        )  # 0.1 is the start
    assert trainer.ppo_state.kl_coef == pytest.approx(coefficient)


def test_check_16_the_kl_that_is_charged_is_the_kl_that_is_reported(base, tmp_path):
    """Bug 22 too."""
    trainer = ppo_trainer(
        base, ppo_config(tmp_path, updates=2, learning_rate=3e-2, kl_coef=0.1, kl_target=None, gamma=1.0, lam=1.0)
    )
    trainer.train()
    data, log = trainer._experience, rollouts(trainer)[-1]
    total = data.returns[:, 0].mean().item()  # gamma = lambda = 1: V(prompt)'s return is the whole reward
    assert total == pytest.approx(log["reward"] - 0.1 * log["kl"], rel=1e-5, abs=1e-4)


def test_a_spent_budget_ends_the_run_and_nothing_beyond_it_is_kept(base, tmp_path):
    options = {
        "updates": 8,
        "learning_rate": 5e-2,
        "kl_coef": 0.0,
        "kl_target": None,
        "kl_budget": 0.3,
        "eval_updates": 1,
    }
    trainer = ppo_trainer(base, ppo_config(tmp_path, **options), held_out=HELD_OUT)
    trainer.train()
    assert trainer.updates_done < 8
    validated_steps = [log["step"] for log in trainer.state.log_history if "eval_reward" in log]
    assert len(validated_steps) == len(set(validated_steps))
    assert rollouts(trainer)[-1]["kl"] > 0.3
    assert trainer.best.kl <= 0.3
