# SPDX-License-Identifier: Apache-2.0
"""What went wrong in other PPO trainers while they trained, one test each. docs/ppo-checks.md lists the reports by
number."""

from __future__ import annotations

from functools import cached_property

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, TrainerCallback, TrainingArguments

from data.errors import BadInput
from reward.base.frozen_base import Base
from reward.base.placement import Placement
from rlhf.ppo import arithmetic
from rlhf.ppo.actor_critic import answer_batch, scatter_tokens
from rlhf.ppo.config import PPOConfig
from tests.support.ppo_parts import (
    PROMPTS,
    Passes,
    begun,
    ppo_config,
    ppo_trainer,
    rollouts,
    shake,
    starting_adapter,
    tiny_base,
)
from tests.support.tiny_model import make_tiny_model


@pytest.fixture
def base(tmp_path) -> Base:
    return tiny_base("llama", tmp_path)


def test_bug_03_the_norm_of_the_gradient_is_logged(base, tmp_path):
    trainer = ppo_trainer(base, ppo_config(tmp_path))
    trainer.train()
    (log,) = rollouts(trainer)
    assert 0 < log["grad_norm"] < 1e3


def test_bug_07_diagnostics_do_not_feel_how_wide_the_padding_is():
    """Ratios e^0.5 and e^-0.5, one of two outside the band; values 1 and 0 against returns 2 and 0."""
    rows = {
        "new": [0.5, -1.5],
        "old": [0.0, -1.0],
        "advantages": [1.0, 1.0],
        "values": [1.0, 0.0],
        "returns": [2.0, 0.0],
    }
    found = []
    for width in (2, 3, 50):
        mask = torch.arange(width)[None] < 2
        t = {
            name: torch.cat([torch.tensor([row], dtype=torch.float64), torch.full((1, width - 2), 7.0).double()], 1)
            for name, row in rows.items()
        }
        policy = arithmetic.policy_loss(t["new"], t["old"], t["advantages"], mask, 0.2)
        value = arithmetic.value_loss(t["values"], torch.zeros_like(t["values"]), t["returns"], mask, 0.2)
        quality = arithmetic.explained_variance(t["values"], t["returns"], mask)
        found.append([policy[0], *policy[1].values(), value[0], *value[1].values(), quality])
    for wide in found[1:]:
        assert torch.allclose(torch.stack(wide), torch.stack(found[0]))
    stats = arithmetic.policy_loss(
        torch.tensor([[0.5, -1.5]]), torch.tensor([[0.0, -1.0]]), torch.ones(1, 2), torch.ones(1, 2).bool(), 0.2
    )[1]
    assert stats["clip_fraction"] == 0.5
    assert stats["ratio"].item() == pytest.approx((2.718281828**0.5 + 2.718281828**-0.5) / 2)


def test_bug_11_without_held_out_prompts_the_last_update_is_considered_as_well(base, tmp_path):
    """Every look is better than the one before it: the start, after update 1, after update 2."""
    looks = []
    options = {
        "updates": 2,
        "learning_rate": 1e-2,
        "kl_coef": 0.0,
        "kl_target": None,
        "kl_budget": 1e3,
        "standardize_reward": False,
    }
    trainer = ppo_trainer(
        base,
        ppo_config(tmp_path, **options),
        reward=lambda prompts, texts: [float(len(looks.append(0) or looks))] * len(texts),
    )
    passes = Passes(trainer)
    trainer.add_callback(passes)
    trainer.train()
    assert trainer.best.update == 2
    kept = [p for p in trainer.model.parameters() if p.requires_grad]
    assert all(torch.equal(one, two) for one, two in zip(kept, passes.after[-1], strict=True))


def test_bug_11_a_run_that_diverges_names_its_learning_rate(base, tmp_path):
    options = {"updates": 2, "learning_rate": 1e30, "warmup_steps": 0, "max_grad_norm": 0.0}
    with pytest.raises(BadInput, match=r"1e\+30") as caught:
        ppo_trainer(base, ppo_config(tmp_path, **options)).train()
    assert caught.value.field == "learning_rate"


def test_bug_33_a_policy_can_be_evaluated_before_it_is_trained(base, tmp_path):
    found = ppo_trainer(
        base, ppo_config(tmp_path), held_out=PROMPTS[:4], start=starting_adapter(base, tmp_path)
    ).evaluate()
    assert found["eval_kl"] == 0.0


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"),
    [(1.5, 1.0, False), (0.5, -1.0, False), (1.5, -1.0, True), (0.5, 1.0, True), (1.1, 1.0, True), (0.9, -1.0, True)],
)
def test_bug_24_beyond_the_clip_there_is_no_gradient_and_within_it_there_is(ratio, advantage, moves):
    logp = torch.tensor([[ratio]]).log().requires_grad_()
    loss, _ = arithmetic.policy_loss(logp, torch.zeros(1, 1), torch.tensor([[advantage]]), torch.tensor([[True]]), 0.2)
    loss.backward()
    assert logp.grad.item() == pytest.approx(-advantage * ratio if moves else 0.0)


def test_bug_25_kl_is_charged_in_the_reward_alone(base, tmp_path):
    """Advantages of 0 and values that are their returns leave no gradient at all, though the policy is far from its
    reference."""
    trainer = begun(base, tmp_path, start=starting_adapter(base, tmp_path))
    shake(base, "policy")
    with base.role("policy"):
        trainer._begin_update(1)
        assert abs(trainer._metrics["kl"]) > 0.1
        data = trainer._experience
        values = scatter_tokens(trainer.model(*answer_batch(base, data.prompts, data.answers))[1], data.mask).detach()
        trainer._experience = data._replace(advantages=torch.zeros_like(values), returns=values, old_values=values)
        trainer.compute_loss(trainer.model, {"rows": list(range(8)), "window": int(data.mask.sum())}).backward()
    assert max(p.grad.abs().max() for p in trainer.model.parameters() if p.grad is not None) < 1e-6


def test_bug_26_advantages_stand_on_answer_tokens_and_nowhere_else(base, tmp_path):
    """One place too many at the end of each answer would add as many entries as there are answers."""
    data = begun(base, tmp_path, max_new_tokens=120)._experience
    lengths = [len(answer) for answer in data.answers]
    assert min(lengths) < max(lengths)
    for table in (data.advantages, data.returns):
        assert int((table != 0).sum()) == sum(lengths)
        assert all(not row[length:].any() for row, length in zip(table, lengths, strict=True))


class Rates(TrainerCallback):
    """The rate each optimizer step is taken with."""

    def __init__(self) -> None:
        self.seen = []

    def on_pre_optimizer_step(self, args, state, control, optimizer, **_) -> None:
        self.seen.append({group["lr"] for group in optimizer.param_groups})


def test_bug_31_the_schedule_drives_the_optimizer_that_moves_the_weights(base, tmp_path):
    """2 steps of warmup and 6 down to 0: 0, 1/2, 1, 5/6, ... of the peak; the first step moves nothing, the second
    does."""
    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=2, warmup_steps=2, learning_rate=6e-3))
    passes, rates = Passes(trainer), Rates()
    trainer.add_callback(passes)
    trainer.add_callback(rates)
    before = [p.detach().clone() for p in trainer.model.parameters() if p.requires_grad]
    trainer.train()
    assert [rate for (rate,) in rates.seen] == pytest.approx([0, 3e-3, 6e-3, 5e-3, 4e-3, 3e-3, 2e-3, 1e-3])
    assert all(torch.equal(one, two) for one, two in zip(before, passes.after[0], strict=True))
    assert not any(torch.equal(one, two) for one, two in zip(passes.after[0], passes.after[2], strict=True))


@pytest.mark.parametrize(
    ("kind", "dtype", "bf16"),
    [
        ("llama", torch.float32, True),
        ("gpt2", torch.float32, False),
        ("qwen2", torch.bfloat16, False),
        ("gemma2", torch.float32, False),
    ],
)
def test_bug_33_every_kind_and_precision_trains_is_saved_and_is_read_by_peft(kind, dtype, bf16, tmp_path):
    base = Base.load(make_tiny_model(kind, tmp_path / "base"), placement=Placement(dtype=dtype))
    config = ppo_config(tmp_path, bf16=bf16, learning_rate=1e-3, warmup_steps=0, num_ppo_epochs=1, run_name="mine")
    trainer = ppo_trainer(base, config)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    assert trainer.args.run_name == "mine"
    (log,) = rollouts(trainer)
    assert all(value == value for value in log.values())  # none is NaN
    plain = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=dtype), tmp_path / "saved"
    ).eval()
    row = torch.tensor([base.encode_prompt("Hi.")])
    with base.role("policy"), torch.no_grad():
        assert torch.allclose(plain(row).logits, base.causal(row).logits, atol=1e-4 if dtype == torch.float32 else 0.1)


def test_bug_34_several_gpus_without_a_launcher_are_one_and_not_data_parallel(tmp_path, monkeypatch):
    """transformers would wrap the model in DataParallel, which cuts every tensor by its first axis: rows here, answer
    tokens there."""
    find = TrainingArguments._setup_devices.func

    def finds_two(config: PPOConfig) -> torch.device:
        device = find(config)
        config._n_gpu = 2
        return device

    devices = cached_property(finds_two)
    devices.__set_name__(PPOConfig, "_setup_devices")
    monkeypatch.setattr(PPOConfig, "_setup_devices", devices, raising=False)
    assert ppo_config(tmp_path).n_gpu == 1
