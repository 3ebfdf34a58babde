# SPDX-License-Identifier: Apache-2.0
"""Whole PPO steps against those of another trainer, TRL 1.12's PPOTrainer: the same model, prompts, answers and scores.

TRL 1.12 is no dependency: `tests/oracle/trl112.safetensors` holds its results (`tests/oracle/record.py` computes them).
If the variable PREFERENCE_LOOP_TRL112 names a folder with trl 1.12.0, the test runs it again.
The test imitates four known differences of TRL. The score and one more value follow the end token if there is padding.
The variance of whitening has Bessel's correction. Gradients are not clipped, and control tokens may be sampled.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file
from torch import Tensor
from transformers import TrainerCallback

from reward.base.frozen_base import Base
from rlhf.ppo import arithmetic
from rlhf.ppo.actor_critic import ActorCritic
from rlhf.ppo.rollout import compute_token_stats
from rlhf.ppo.trainer import PPOTrainer
from tests.oracle.models import ALPHA, LENGTH, PROMPTS, RANK, SETTINGS, fill, make_base, normal
from tests.oracle.recording import RecordedRollouts, Table, answers_of, part, prompts_of
from tests.support import ROOT
from tests.support.ppo_parts import ppo_config, ppo_trainer


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Table:
    folder = os.environ.get("PREFERENCE_LOOP_TRL112")
    if not folder:
        print("TRL 1.12 is not installed: comparing with its recorded tensors")
        return load_file(ROOT / "tests" / "oracle" / "trl112.safetensors")
    out = tmp_path_factory.mktemp("oracle") / "now.safetensors"
    environment = os.environ | {
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    subprocess.run(
        [sys.executable, "-m", "tests.oracle.record", str(out)],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
    )
    return load_file(out)


def as_trl(kl: Tensor, scores: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Advantages, whitened ones and returns (B, T) with one token more where there is padding, and with Bessel's
    correction.

    `mask` (B, T) is that of the answers; KL behind an answer is 0, `values` has one behind the end.
    """
    mask = torch.nn.functional.pad(mask, (0, LENGTH - mask.shape[1]))
    longer = torch.nn.functional.pad(mask, (1, 0), value=True)[:, :-1]
    rewards = arithmetic.token_rewards(scores, torch.where(mask, kl, 0.0), longer, SETTINGS["kl_coef"])
    raw, returns = arithmetic.gae(rewards, values, longer, SETTINGS["gamma"], SETTINGS["lam"])
    count = int(mask.sum())
    return raw, arithmetic.whiten(raw, mask) * ((count - 1) / count) ** 0.5, returns


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Base:
    return Base.load(make_base(tmp_path_factory.mktemp("oracle_base")))


@pytest.fixture
def policy(base) -> Base:
    """With the recorded runs' starting adapter."""
    base.add_adapter("policy", config=LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear"), trainable=True)
    fill(base.adapter_state("policy"), 0.1)
    yield base
    base.drop_adapter("policy")


def test_the_recording_holds_ended_and_cut_answers_and_steps_beyond_the_clip(base, recorded):
    """Otherwise the comparisons below would compare little."""
    answers = answers_of(part(recorded, "plain.0"))
    assert {answer[-1] in base.eos_ids for answer in answers} == {True, False}
    assert len({len(answer) for answer in answers}) > 2
    assert all(base.pad_id not in answer for answer in answers)
    last = part(recorded, "plain.0.2")
    ratios = (last["new_logprobs"] - part(recorded, "plain.0")["logprobs"][last["micro_batch_inds"]]).exp()
    assert (ratios > 1.2).any()
    assert (ratios < 0.8).any()


def test_log_probabilities_kl_and_values_of_the_same_answers_are_the_same(policy, recorded):
    theirs = part(recorded, "plain.0")
    prompts, answers, real = prompts_of(policy, theirs), answers_of(theirs), ~theirs["padding_mask"]
    model = ActorCritic(policy, SETTINGS["temperature"], bf16=False)
    model.banned = []
    model.value_head.weight.data = normal("value", model.value_head.weight.shape, 0.2)
    with policy.role("policy"):
        ours = compute_token_stats(model, prompts, answers, 8)
    reference = compute_token_stats(model, prompts, answers, 8)
    width = ours.logps.shape[1]
    for mine, name in ((ours.logps, "logprobs"), (reference.logps, "ref_logprobs"), (ours.values, "values")):
        assert torch.allclose(mine[real[:, :width]], theirs[name][real], atol=1e-4), name
    kl = arithmetic.kl_estimate(ours.logps, reference.logps, "k1").sum(1)
    assert torch.allclose(kl, theirs["kl"].sum(1), atol=1e-3)


def test_advantages_and_returns_are_the_same(recorded):
    theirs = part(recorded, "plain.0")
    mask = ~theirs["padding_mask"]
    raw, white, returns = as_trl(theirs["kl"], theirs["scores"], theirs["values"], mask)
    for mine, name in ((raw, "raw_advantages"), (white, "advantages"), (returns, "returns")):
        assert torch.allclose(mine[mask], theirs[name][mask], atol=1e-5), name
    cut = mask.all(1)  # answers as long as may be have no padding: here nothing is done differently
    rewards = arithmetic.token_rewards(theirs["scores"], theirs["kl"], mask, SETTINGS["kl_coef"])
    own, _ = arithmetic.gae(rewards, theirs["values"], mask, SETTINGS["gamma"], SETTINGS["lam"])
    assert cut.any()
    assert torch.allclose(own[cut], theirs["raw_advantages"][cut], atol=1e-5)
    assert not torch.allclose(own[~cut], theirs["raw_advantages"][~cut], atol=1e-5)


@pytest.mark.parametrize("step", range(SETTINGS["num_ppo_epochs"]))
def test_losses_of_every_step_are_the_same(recorded, step):
    update, theirs = part(recorded, "plain.0"), part(recorded, f"plain.0.{step}")
    rows = theirs["micro_batch_inds"]
    mask, longer = ~update["padding_mask"][rows], ~update["padding_mask_p1"][rows]
    loss, _ = arithmetic.policy_loss(
        theirs["new_logprobs"], update["logprobs"][rows], update["advantages"][rows], mask, SETTINGS["cliprange"]
    )
    assert loss.item() == pytest.approx(theirs["pg_loss"].item(), rel=1e-5, abs=1e-5)
    loss, _ = arithmetic.value_loss(
        theirs["vpred"], update["values"][rows], update["returns"][rows], longer, SETTINGS["cliprange_value"]
    )
    assert loss.item() == pytest.approx(theirs["vf_loss"].item(), rel=1e-4)


class LastPolicy(TrainerCallback):
    """The policy's weights at the end of training, before the best ones take their place."""

    def __init__(self, base: Base) -> None:
        self.base, self.weights = base, {}

    def on_train_end(self, *_, **__) -> None:
        self.weights = {name: tensor.clone() for name, tensor in self.base.adapter_state("policy").items()}


def whiten_as_trl(trainer: PPOTrainer) -> None:
    """Give each update of the trainer the advantages that TRL computes from the same experience."""
    collect, begin_update, batches = trainer.collector.collect, trainer._begin_update, []

    def collect_and_remember(*arguments) -> object:
        batches.append(collect(*arguments))
        return batches[-1]

    def begin_with_advantages(update: int) -> None:
        begin_update(update)
        batch = batches[-1]
        wide = torch.nn.functional.pad(batch.kl, (0, LENGTH - batch.kl.shape[1]))
        _, white, _ = as_trl(wide, batch.scores, torch.zeros_like(wide), batch.mask)
        trainer._experience = trainer._experience._replace(advantages=white[:, : batch.mask.shape[1]])

    trainer.collector.collect, trainer._begin_update = collect_and_remember, begin_with_advantages


def check_logs(history: list[dict], recorded: Table, updates: list[Table]) -> None:
    """Compare the KL and the policy loss of every update with the recorded ones."""
    logs = [log for log in history if "rollout_seconds" in log]
    for log, update in zip(logs, updates, strict=True):
        assert log["kl"] == pytest.approx(update["kl"].sum(1).mean().item(), rel=1e-5, abs=1e-3)
        steps = [
            part(recorded, f"policy.{log['update'] - 1}.{step}")["pg_loss"].item()
            for step in range(SETTINGS["num_ppo_epochs"])
        ]
        assert log["policy_loss"] == pytest.approx(sum(steps) / len(steps), rel=1e-5, abs=1e-4)


def test_two_whole_updates_leave_the_same_weights(tmp_path, recorded):
    """Our trainer gets the recorded answers and scores; it computes log-probabilities, KL, losses and weights itself.

    The value loss is off and all values are 0, so TRL's separate critic and our shared trunk make no difference.
    """
    base = Base.load(make_base(tmp_path / "base"))
    updates = [part(recorded, f"policy.{number}") for number in range(2)]
    config = ppo_config(
        tmp_path,
        updates=2,
        per_device_train_batch_size=8,
        max_new_tokens=LENGTH,
        lr_scheduler_type="constant",
        warmup_steps=0,
        max_grad_norm=0.0,
        vf_coef=0.0,
        kl_target=None,
        kl_budget=1e9,
        importance_cap=None,  # the recorded rollouts have no log-probabilities of a sampler
        standardize_reward=False,
        **SETTINGS,
    )
    rollouts, train = RecordedRollouts(base, updates), [{"prompt": prompt} for prompt in PROMPTS]
    start = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear")
    trainer = ppo_trainer(base, config, reward=rollouts.score, train=train, start=start)
    trainer.collector.sample = rollouts.sample
    trainer.model.banned = []
    whiten_as_trl(trainer)
    fill(base.adapter_state("policy"), 0.1)
    before = {name: tensor.clone() for name, tensor in base.adapter_state("policy").items()}
    last = LastPolicy(base)
    trainer.add_callback(last)
    trainer.train()
    check_logs(trainer.state.log_history, recorded, updates)
    moved = 0.0
    for name, theirs in part(recorded, "policy.lora").items():
        assert torch.allclose(last.weights[name], theirs, atol=2e-4), name
        moved = max(moved, (theirs - before[name]).abs().max().item())
    assert moved > 0.01
