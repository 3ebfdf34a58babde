# SPDX-License-Identifier: Apache-2.0
"""The guard in a run: it chooses the policy that is kept, ends the run, and goes on from a checkpoint as if nothing
had been."""

from __future__ import annotations

import json

import pytest

from data.errors import BadInput
from rlhf.ppo.checkpoint import STATE
from rlhf.ppo.trainer import PPOTrainer
from tests.support.ppo_parts import PROMPTS, ppo_config, share_of_letters, tiny_base

HELD_OUT = [{"prompt": f"Give {number} tips."} for number in range(4)]
GUARD = (0.0, 1.0, -3.0, -4.0, 9.0, 9.0)
"""What the guard's scores of the fixed prompts rise by at each look, in units of the reference's deviation."""


def trainer(folder, guard, reward=share_of_letters, **options) -> PPOTrainer:
    config = ppo_config(folder, **{"updates": 5, "eval_updates": 1, "kl_budget": 1e3, "learning_rate": 1e-4} | options)
    return PPOTrainer(
        tiny_base("llama", folder), reward, config, train_dataset=PROMPTS, eval_dataset=HELD_OUT, guard=guard
    )


def scripted_guard():
    """Its reference scores are -1, 1, -1, 1, so that they are in units of their own deviation from the start."""
    looks = iter(GUARD)

    def score(prompts, completions):
        rise = next(looks)
        return [rise + (-1) ** (place + 1) for place in range(len(completions))]

    return score


def rising():
    """A reward that is higher by 1 at every call."""
    calls = iter(range(100))

    def score(prompts, completions):
        high = next(calls)
        return [high + place % 2 for place in range(len(completions))]

    return score


def guard_curve(made: PPOTrainer) -> list[float]:
    return [log["eval_guard"] for log in made.state.log_history if "eval_guard" in log]


def test_a_run_whose_guard_falls_twice_while_the_reward_rises_ends_and_keeps_the_guard_s_best(tmp_path):
    made = trainer(tmp_path, scripted_guard(), rising(), missing_eos_penalty=0.0, kl_coef=0.0, kl_target=None)
    made.train()
    assert guard_curve(made) == pytest.approx(GUARD[1:4], rel=1e-5, abs=1e-5)  # the start's look is not an update's
    assert made.updates_done == 3
    assert (made.best.update, made.best.objective) == (1, pytest.approx(1.0, abs=1e-5))
    assert made.end_reason.startswith(
        "since update 1 the guard fell by 5.00 (standard error 0.00) while the reward rose by "
    )


def test_a_guard_that_falls_with_the_reward_ends_nothing_but_still_chooses(tmp_path):
    made = trainer(
        tmp_path,
        scripted_guard(),
        lambda p, a: [float(place % 2) for place in range(len(a))],
        missing_eos_penalty=0.0,
        kl_coef=0.0,
    )
    made.train()
    assert guard_curve(made) == pytest.approx(GUARD[1:], rel=1e-5, abs=1e-5)
    assert (made.updates_done, made.best.update, made.end_reason) == (5, 4, "")


def test_a_guard_needs_fixed_prompts(tmp_path):
    with pytest.raises(BadInput, match="there are none"):
        PPOTrainer(
            tiny_base("llama", tmp_path),
            share_of_letters,
            ppo_config(tmp_path),
            train_dataset=PROMPTS,
            guard=share_of_letters,
        )


def test_a_guard_that_gives_no_number_is_refused_before_a_weight_moves(tmp_path):
    made = trainer(tmp_path, lambda prompts, texts: [float("nan")] * len(texts))
    with pytest.raises(BadInput, match="gave nan"):
        made.train()
    assert made.state.global_step == 0


def test_a_resumed_run_s_guard_is_that_of_a_run_never_stopped(tmp_path):
    def fewer_letters(prompts, texts):
        return [-share for share in share_of_letters(prompts, texts)]

    options = {"updates": 3, "save_strategy": "steps", "save_total_limit": None, "learning_rate": 1e-2}
    found = []
    for checkpoint in (None, "checkpoint-4"):
        made = trainer(tmp_path, fewer_letters, **options)
        made.train(resume_from_checkpoint=checkpoint and str(tmp_path / "ppo" / checkpoint))
        kept = json.loads((tmp_path / "ppo" / "checkpoint-12" / STATE).read_text())["guard"]
        found.append((kept, guard_curve(made), made.best.numbers(), made.end_reason))
    assert found[0] == found[1]
    assert len(found[0][0]["kept"]["guard"]) == len(HELD_OUT)


def test_a_checkpoint_without_a_guard_is_not_gone_on_from_with_one(tmp_path):
    trainer(tmp_path, None, updates=1, save_strategy="steps").train()
    with pytest.raises(BadInput, match="another guard: False, now True"):
        trainer(tmp_path, share_of_letters, updates=2).train(
            resume_from_checkpoint=str(tmp_path / "ppo" / "checkpoint-4")
        )
