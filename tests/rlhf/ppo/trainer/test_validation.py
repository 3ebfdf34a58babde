# SPDX-License-Identifier: Apache-2.0
"""Validations choose the best policy, and record samples and curves that decide nothing."""

from __future__ import annotations

import pytest
import torch

from tests.support.ppo_parts import (
    Passes,
    policy_weights,
    ppo_config,
    ppo_trainer,
    share_of_letters,
    tiny_base,
)

HELD_OUT = [{"prompt": f"Give {number} tips."} for number in range(6)]


def test_the_best_policy_is_kept_not_the_last(base, tmp_path):
    """The reward falls after the first update, so the best policy has the weights after that update."""
    calls = []

    def reward_that_turns(prompts, answers):
        calls.append(len(answers))
        if len(answers) == len(HELD_OUT):  # validations: start, update 1, update 2, ...
            return [{0: 0.0, 1: 5.0}.get(calls.count(len(HELD_OUT)) - 1, -5.0)] * len(answers)
        return share_of_letters(prompts, answers)

    options = {"updates": 3, "eval_updates": 1, "kl_coef": 0.0, "kl_target": None, "learning_rate": 1e-2}
    trainer = ppo_trainer(base, ppo_config(tmp_path, **options), reward=reward_that_turns, held_out=HELD_OUT)
    passes = Passes(trainer)
    trainer.add_callback(passes)
    trainer.train()
    assert trainer.best.update == 1
    after_first = passes.after[trainer.args.steps_per_update - 1]
    own = [p for p in trainer.model.parameters() if p.requires_grad]
    assert all(
        torch.equal(p, first) for p, first in zip(own[:-2], after_first[:-2], strict=True)
    )  # the last two are the value head
    assert not all(torch.equal(p, last) for p, last in zip(own[:-2], passes.after[-1][:-2], strict=True))


@pytest.mark.parametrize(("updates", "expected"), [(3, [2, 3]), (4, [2, 4])])
def test_the_last_update_is_looked_at_once_whether_or_not_its_turn_has_come(base, tmp_path, updates, expected):
    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=updates, eval_updates=2), held_out=HELD_OUT)
    trainer.train()
    validated_steps = [
        log["step"] // trainer.args.steps_per_update for log in trainer.state.log_history if "eval_reward" in log
    ]
    assert validated_steps == expected


def test_whoever_watches_decides_nothing(tmp_path):
    weights = []
    for gold in (None, lambda rows, texts, ended: [-float(len(text)) for text in texts]):
        base = tiny_base("llama", tmp_path)
        trainer = ppo_trainer(base, ppo_config(tmp_path, updates=2, eval_updates=1), held_out=HELD_OUT)
        trainer.watch = gold
        trainer.train()
        weights.append(policy_weights(base))
    assert torch.equal(*weights)
    assert [log["eval_gold"] < 0 for log in trainer.state.log_history if "eval_gold" in log] == [True, True]


def test_samples_stand_beside_the_references_on_the_same_prompts(base, tmp_path):
    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=2, eval_updates=2, learning_rate=0.0), held_out=HELD_OUT)
    trainer.train()
    assert [sample["prompt"] for sample in trainer.samples] == [row["prompt"] for row in HELD_OUT]
    assert all(
        sample["policy"] == sample["reference"] for sample in trainer.samples
    )  # same noise, and nothing was learned
