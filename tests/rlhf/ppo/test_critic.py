# SPDX-License-Identifier: Apache-2.0
"""The critic by its setting: a head on the policy's trunk, an adapter of its own, or one that starts as the reward
model."""

from __future__ import annotations

import pytest
import torch

from data.errors import BadInput
from reward.about import About
from reward.base.frozen_base import Base
from reward.member import Member
from reward.model import RewardModel
from rlhf.ppo.roles import VALUE, add_critic, resolve_critic
from rlhf.ppo.rollout import compute_token_stats
from rlhf.ppo.update import compute_losses
from tests.support.ppo_parts import (
    PROMPTS,
    Passes,
    begun,
    ppo_config,
    ppo_trainer,
    shake,
    share_of_letters,
    starting_adapter,
    tiny_base,
)


@pytest.fixture
def base(tmp_path) -> Base:
    return tiny_base("llama", tmp_path)


def judge_on(base: Base) -> RewardModel:
    """A reward model that says something, with a unit of its own."""
    torch.manual_seed(7)
    base.add_adapter("judge")
    shake(base, "judge", std=0.05)
    return RewardModel(
        base,
        [Member("judge", torch.randn(base.hidden_size))],
        About(base.name, base.fingerprint, offset=2.0, scale=3.0),
    )


def gradients(trainer, vf_coef: float, advantage: float) -> set[str]:
    """Which parts get a gradient that is not 0 from one pass."""
    vars(trainer.args)["vf_coef"] = vf_coef  # the config is frozen
    data = trainer._experience
    with trainer.base.role("policy"):
        trainer.model.zero_grad()
        compute_losses(
            trainer.model,
            trainer.base,
            data._replace(advantages=torch.full_like(data.advantages, advantage)),
            trainer.args,
        )[0].backward()
    names = {name for name, p in trainer.model.named_parameters() if p.grad is not None and p.grad.any()}
    parts = {
        "policy": ".policy.",
        "value": ".value.",
        "head": "value_head",
        "judge": ".judge.",
        "reference": ".reference.",
    }
    found = {part for part, mark in parts.items() if any(mark in name for name in names)}
    assert all(any(mark in name for mark in parts.values()) for name in names)  # the base itself never
    return found


@pytest.mark.parametrize(
    ("critic", "of_policy", "of_values"),
    [
        ("joint", {"policy"}, {"policy", "head"}),
        ("adapter", {"policy"}, {"value", "head"}),
        ("reward", {"policy"}, {"value", "head"}),
    ],
)
def test_each_loss_reaches_its_own_part_and_no_other(base, tmp_path, critic, of_policy, of_values):
    start = starting_adapter(base, tmp_path)
    trainer = begun(base, tmp_path, start=start, reward=judge_on(base), critic=critic)
    torch.nn.init.normal_(trainer.model.value_head.weight)
    assert gradients(trainer, vf_coef=0.0, advantage=1.0) == of_policy
    assert gradients(trainer, vf_coef=1.0, advantage=0.0) == of_values


@pytest.mark.parametrize("critic", ["adapter", "reward"])
def test_training_moves_policy_and_critic_and_nothing_else(base, tmp_path, critic):
    start = starting_adapter(base, tmp_path)
    trainer = ppo_trainer(base, ppo_config(tmp_path, critic=critic, warmup_steps=0), reward=judge_on(base), start=start)
    passes, before = Passes(trainer), {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    trainer.add_callback(passes)
    trainer.ppo_state.best = None
    trainer.train()
    trainable = [name for name, p in trainer.model.named_parameters() if p.requires_grad]
    assert {mark for name in trainable for mark in (".policy.", ".value.", "value_head") if mark in name} == {
        ".policy.",
        ".value.",
        "value_head",
    }
    after = dict(zip(trainable, passes.after[-1], strict=True))
    assert all(any(mark in name for mark in (".policy.", ".value.", "value_head")) for name in trainable)
    assert not [name for name in trainable if torch.equal(after[name], before[name])]
    for name, tensor in trainer.model.state_dict().items():
        if name not in after:
            assert torch.equal(tensor, before[name]), name


def test_values_that_start_from_the_reward_model_are_standardised_scores(base, tmp_path):
    """Read at an answer's end token, where the reward model reads: the value there is the very number that PPO adds to
    its reward."""
    judge = judge_on(base)
    trainer = begun(base, tmp_path, reward=judge, critic="reward", missing_eos_penalty=0.0, max_new_tokens=6)
    prompts, answers = trainer.validation.prompts, trainer.validation.reference.answers.ids
    rows = [prompt + base.encoding.append_end(answer) for prompt, answer in zip(prompts, answers, strict=True)]
    with base.role(VALUE), torch.no_grad():
        states = torch.stack([base.hidden(*base.collate([row]))[0, -1] for row in rows])
        values = trainer.model.value_head(states)[:, 0]
    raw = trainer.validation.reference.raw
    assert raw.std() > 0.05
    assert torch.allclose(values, trainer.scorer.standardize(raw, [True] * len(raw)), atol=1e-4)
    assert values.mean().item() == pytest.approx(0, abs=1e-4)
    with base.role("policy"):
        assert torch.equal(
            compute_token_stats(trainer.model, trainer._experience.prompts, trainer._experience.answers, 8).values,
            trainer._experience.old_values,
        )


def test_a_fresh_adapter_starts_with_values_of_zero(base, tmp_path):
    assert not begun(base, tmp_path, critic="adapter")._experience.old_values.any()


def test_a_critic_cannot_start_from_a_reward_that_is_no_reward_model_here(base, tmp_path):
    other = tiny_base("gpt2", tmp_path)
    for reward in (share_of_letters, judge_on(other)):
        with pytest.raises(BadInput, match="critic='reward'") as refused:
            add_critic(base, "reward", reward)
        assert refused.value.field == "critic"
    assert VALUE not in base.adapters


def test_auto_takes_the_reward_model_where_one_on_this_base_judges_and_else_a_joint_critic(base, tmp_path):
    judge = judge_on(base)
    assert resolve_critic("auto", judge, base) == "reward"
    for reward in (share_of_letters, judge_on(tiny_base("gpt2", tmp_path))):
        assert resolve_critic("auto", reward, base) == "joint"
    assert resolve_critic("adapter", judge, base) == "adapter"  # what is asked for is what is taken
    assert (
        ppo_trainer(base, ppo_config(tmp_path), reward=share_of_letters).args.critic == "joint"
    )  # what a checkpoint will name


def state_of(trainer) -> list[torch.Tensor]:
    moments = [state[name] for state in trainer.optimizer.state.values() for name in ("exp_avg", "exp_avg_sq")]
    return [p.detach().clone() for p in trainer.model.parameters() if p.requires_grad] + [
        moment.clone() for moment in moments
    ]


def test_a_run_with_a_critic_of_its_own_resumes_bit_by_bit_and_not_with_another_critic(tmp_path):
    options, found = {"updates": 2, "save_strategy": "steps", "save_total_limit": None, "learning_rate": 1e-2}, []
    folder = tmp_path / "run" / "ppo" / "checkpoint-4"  # four optimizer steps an update
    for resumed in (False, True):
        base = tiny_base("llama", tmp_path)
        trainer = ppo_trainer(
            base, ppo_config(tmp_path / "run", critic="reward", **options), reward=judge_on(base), train=PROMPTS
        )
        trainer.train(resume_from_checkpoint=str(folder) if resumed else None)
        found.append(state_of(trainer))
    assert len(found[0]) > 100
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    base = tiny_base("llama", tmp_path)
    joint = ppo_trainer(base, ppo_config(tmp_path / "run", critic="joint", **options), reward=judge_on(base))
    with pytest.raises(BadInput, match="another critic: reward, now joint"):
        joint.train(resume_from_checkpoint=str(folder))
