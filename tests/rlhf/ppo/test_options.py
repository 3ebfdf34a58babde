# SPDX-License-Identifier: Apache-2.0
"""Every setting of PPO that others' trainers know does here what it says, all the way through an update; what cannot
work is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import HfArgumentParser

from data.errors import BadInput
from reward.base.frozen_base import Base
from rlhf import PPOConfig, PPOTrainer
from rlhf.ppo.run import make_config
from rlhf.ppo.settings import PPOSettings
from rlhf.sampling.sampler import merged_adapter
from tests.support.ppo_parts import (
    PROMPTS,
    Passes,
    begun,
    exact_logps,
    ppo_config,
    ppo_trainer,
    rollouts,
    shake,
    share_of_letters,
    tiny_base,
)


@pytest.fixture
def base(tmp_path) -> Base:
    return tiny_base("llama", tmp_path)


def moved(base: Base, folder, **options):
    """A trainer whose policy has left its reference, with a rollout in hand; returns of whole answers: gamma = lambda
    = 1."""
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


# ---- what is refused


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"kl_estimator": "k4"}, "k1, k2, k3"),
        ({"critic": "none"}, "joint, adapter, reward"),
        ({"top_p": 0.9}, "top_p at 1.0"),
        ({"kl_coef": -0.1}, "at least 0"),
        ({"kl_target": 0.0}, "above 0"),
        ({"temperature": 0.0}, "above 0"),
        ({"gamma": 1.5}, "at least 0 and of at most 1"),
        ({"lam": float("nan")}, "Give a"),
        ({"reward_clip": 0.0}, "above 0"),
        ({"length_penalty": -1.0}, "at least 0"),
        ({"dual_clip": 1.0}, "above 1"),
        ({"target_kl": 0.0}, "above 0"),
        ({"cliprange_value": -0.2}, "above 0"),
        ({"num_ppo_epochs": 0}, "at least 1"),
        ({"max_new_tokens": 2.5}, "Give a"),
        ({"vf_coef": None}, "Give a"),
    ],
)
def test_a_value_that_cannot_work_is_refused_with_its_name_and_the_remedy(tmp_path, options, remedy):
    ((name, value),) = options.items()
    with pytest.raises(BadInput) as refused:
        ppo_config(tmp_path, **options)
    assert refused.value.field == name
    assert str(value) in refused.value.error
    assert remedy in refused.value.remedy


def test_the_configuration_can_be_read_from_a_command_line():
    given = ["--use_cpu", "--critic", "adapter", "--dual_clip", "3", "--center_reward", "--target_kl", "0.02"]
    (read,) = HfArgumentParser(PPOConfig).parse_args_into_dataclasses(given)
    assert (read.critic, read.dual_clip, read.center_reward, read.target_kl) == ("adapter", 3.0, True, 0.02)


@pytest.mark.parametrize("critic", ["joint", "adapter", "reward"])
def test_a_run_of_the_app_takes_the_critic_that_its_settings_name(tmp_path, critic):
    assert make_config(PPOSettings(critic=critic), tmp_path).critic == critic


def test_nothing_is_reported_anywhere_unless_asked(tmp_path):
    assert ppo_config(tmp_path).report_to == []
    assert ppo_config(tmp_path).push_to_hub is False


# ---- rewards


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
def test_the_estimator_named_is_the_one_that_is_charged(base, tmp_path, kind):
    """Every answer's return at its first token is its score less 0.5 x the sum of the estimator, from one unpadded
    pass of the library."""
    trainer = moved(base, tmp_path, kl_estimator=kind, kl_coef=0.5)
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


def scored(base: Base, folder, reward, **options):
    trainer = ppo_trainer(base, ppo_config(folder, missing_eos_penalty=0.0, **options), reward=reward)
    trainer._answer_as_reference()
    return trainer, trainer.scorer.shape(trainer.validation.reference.raw, trainer.validation.reference.answers)


def of_length(prompts, answers):
    return [7.0 + 3.0 * len(text) for text in answers]


def test_rewards_may_be_centred_and_keep_their_own_unit(base, tmp_path):
    trainer, scores = scored(base, tmp_path, of_length, standardize_reward=False, center_reward=True)
    raw = trainer.validation.reference.raw
    assert torch.allclose(scores, raw - raw.mean(), atol=1e-4)
    assert raw.std() > 1.5  # so that a deviation of 1 would not pass


def test_a_reward_is_clipped_in_its_standard_unit_before_penalties(base, tmp_path):
    trainer, scores = scored(base, tmp_path, of_length, reward_clip=0.5, length_penalty=10.0)
    raw, lengths = (
        trainer.validation.reference.raw.numpy(),
        np.array([len(answer) for answer in trainer.validation.reference.answers.ids]),
    )
    standard = (raw - raw.mean()) / raw.std()
    assert abs(standard).max() > 0.5
    assert np.allclose(scores, standard.clip(-0.5, 0.5) - 10.0 * lengths, atol=1e-3)


def test_only_tokens_beyond_the_free_ones_are_charged(base, tmp_path):
    trainer, scores = scored(
        base, tmp_path, lambda p, a: [5.0] * len(a), standardize_reward=False, length_penalty=0.25, length_free=3
    )
    expected = [5.0 - 0.25 * max(0, len(answer) - 3) for answer in trainer.validation.reference.answers.ids]
    assert min(expected) < 5.0
    assert scores.tolist() == pytest.approx(expected)


def test_whitening_of_rewards_and_advantages_can_be_chosen(base, tmp_path):
    plain = moved(base, tmp_path, whiten_advantages=False)
    data, keep = plain._experience, plain._experience.mask
    assert torch.allclose(data.advantages, torch.where(keep, data.returns - data.old_values, 0.0), atol=1e-5)
    other = tiny_base("llama", tmp_path)
    white = moved(other, tmp_path, whiten_rewards=True, whiten_advantages=False)._experience
    before, after = (real(rewards_of(x.returns, keep), keep) for x in (data, white))
    expected = (before - before.mean()) / np.sqrt(before.var() + 1e-8) + before.mean()
    assert np.allclose(after, expected, atol=1e-3)


def rewards_of(returns: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """At gamma = lambda = 1 a reward is its return less the next one."""
    following = torch.cat([returns[:, 1:], torch.zeros_like(returns[:, :1])], 1)
    return torch.where(mask, returns - following, 0.0)


# ---- losses


def loss_of(trainer, **changes):
    """Loss and largest gradient of the policy, with parts of the experience replaced."""
    trainer._experience = trainer._experience._replace(**changes)
    trainer.model.zero_grad()
    window = int(trainer._experience.mask.sum())
    with trainer.base.role("policy"):
        loss = trainer.compute_loss(trainer.model, {"rows": list(range(8)), "window": window})
        loss.backward()
    return loss.item(), max(matrix.grad.abs().max().item() for matrix in trainer.base.parameters("policy"))


def test_a_dual_clip_bounds_what_a_token_of_negative_advantage_costs(base, tmp_path):
    """Old log-probabilities 2 below the present ones: the ratio is e^2 = 7.39, beyond 3 times an advantage of -1,
    within 8 times it."""
    found = {}
    for bound in (None, 3.0, 8.0):
        trainer = begun(tiny_base("llama", tmp_path), tmp_path, dual_clip=bound, vf_coef=0.0)
        data = trainer._experience
        found[bound] = loss_of(trainer, old_logps=data.old_logps - 2, advantages=torch.full_like(data.advantages, -1.0))
    assert found[3.0] == (pytest.approx(3.0), 0.0)
    assert found[None][0] == pytest.approx(np.exp(2), rel=1e-3)
    assert found[None] == found[8.0]
    assert found[None][1] > 0


def test_without_value_clipping_a_value_may_move_as_far_as_it_likes(tmp_path):
    """Values are 0 at the start. Old values far away at 10 and returns at 0: free error 0, clipped (9.8 - 0)^2; half
    of it is 48.02."""
    found = []
    for clip in (0.2, None):
        trainer = begun(tiny_base("llama", tmp_path), tmp_path, cliprange_value=clip, vf_coef=1.0)
        data, zero = trainer._experience, torch.zeros_like(trainer._experience.returns)
        found.append(
            loss_of(trainer, advantages=zero, returns=zero, old_values=torch.full_like(data.old_values, 10.0))[0]
        )
    assert found == [pytest.approx(9.8**2 / 2, rel=1e-5), pytest.approx(0.0, abs=1e-9)]


def test_an_update_ends_when_its_policy_is_too_far_from_the_rollouts(base, tmp_path):
    """Four steps an update. The first is taken from the very policy, KL 0; the second sees what it did, and neither it
    nor a later one is taken."""
    options = {
        "updates": 2,
        "warmup_steps": 0,
        "learning_rate": 3e-2,
        "target_kl": 1e-6,
        "lr_scheduler_type": "constant",
    }
    trainer = ppo_trainer(
        base, ppo_config(tmp_path, **options, gradient_accumulation_steps=2, per_device_train_batch_size=2)
    )
    passes, before = Passes(trainer), [p.detach().clone() for p in trainer.model.parameters() if p.requires_grad]
    trainer.add_callback(passes)
    trainer.train()
    assert trainer.state.global_step == 8
    steps = [before, *passes.after]
    changed = [
        any(not torch.equal(a, b) for a, b in zip(one, other, strict=True))
        for one, other in zip(steps, steps[1:], strict=False)
    ]
    assert changed == [True, False, False, False] * 2
    assert [log["optimizer_steps"] for log in rollouts(trainer)] == [1, 1]
    assert all(log["approx_kl"] > 5e-7 for log in rollouts(trainer))  # mean of the two minibatches that were looked at


def test_a_target_that_is_never_reached_changes_nothing(tmp_path):
    weights = []
    for target in (None, 1e6):
        base = tiny_base("llama", tmp_path)
        trainer = ppo_trainer(base, ppo_config(tmp_path, target_kl=target, warmup_steps=0))
        trainer.train()
        assert ("optimizer_steps" in rollouts(trainer)[0]) is (target is not None)
        weights.append(torch.cat([matrix.flatten() for matrix in base.parameters("policy")]))
    assert torch.equal(*weights)


# ---- what the trainer is given


def test_a_lora_configuration_stands_in_for_a_starting_folder(base, tmp_path):
    given = {"args": ppo_config(tmp_path), "train_dataset": PROMPTS}
    with pytest.raises(BadInput, match="start=.* and a peft_config"):
        PPOTrainer(base, share_of_letters, **given, start=tmp_path, peft_config=LoraConfig(r=3))
    trainer = PPOTrainer(base, share_of_letters, **given, peft_config=LoraConfig(r=3, target_modules=["q_proj"]))
    assert trainer.reference is None
    assert {min(matrix.shape) for matrix in base.parameters("policy")} == {3}
    assert len(base.parameters("policy")) == 4  # A and B in each of two layers


@pytest.mark.parametrize("conversation", [False, True])
def test_prompts_may_be_a_dataset(base, tmp_path, conversation):
    rows = [row["prompt"] for row in PROMPTS]
    data = Dataset.from_dict(
        {"prompt": [[{"role": "user", "content": text}] for text in rows] if conversation else rows, "extra": rows}
    )
    heard = []

    def listening(prompts, answers):
        heard.extend(prompts)
        return [0.0] * len(answers)

    trainer = ppo_trainer(base, ppo_config(tmp_path), reward=listening, train=data, held_out=data.select(range(3)))
    trainer.train()
    assert heard[0] == data[0]["prompt"]
    assert trainer.prompts == [base.encode_prompt(text) for text in rows]


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([], "0 rows"),
        ([{"question": "Hi."}], r"no 'prompt' but \['question'\]"),
        ([*PROMPTS[:2], {"prompt": ""}], "row 2 .* has the prompt ''"),
    ],
)
def test_prompts_that_are_missing_are_named(base, tmp_path, rows, error):
    with pytest.raises(BadInput, match=error) as refused:
        ppo_trainer(base, ppo_config(tmp_path), train=rows)
    assert refused.value.field == "train_dataset"


class Packed(torch.nn.Parameter):
    """Stands for the parameters of quantised layers, which are classes of their own and may say that they hold
    floats."""


def test_quantised_layers_are_sampled_with_their_adapters_active(base, tmp_path):
    base.add_adapter("policy", trainable=True)
    shake(base, "policy")
    layers = [module.base_layer for name, module in base.causal.named_modules() if name.endswith(("q_proj", "v_proj"))]
    for layer in layers:
        layer.weight = Packed(layer.weight.data, requires_grad=False)
    before = [layer.weight.clone() for layer in layers]
    ids, mask = base.collate([[5, 6, 7], [8, 9]])
    with base.role("policy"), torch.no_grad():
        apart = base.hidden(ids, mask)
        with merged_adapter(base):
            assert all(torch.equal(layer.weight, old) for layer, old in zip(layers, before, strict=True))
            assert torch.allclose(base.hidden(ids, mask)[mask], apart[mask], atol=1e-4)
