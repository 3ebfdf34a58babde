# SPDX-License-Identifier: Apache-2.0
"""Known traps of PPO on language models, one test each: numerics, roles, seeds. docs/ppo-checks.md lists them by
number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from peft import LoraConfig

from reward.about import describe_base
from reward.member import Member
from reward.model import RewardModel
from rlhf.ppo.actor_critic import answer_batch
from rlhf.ppo.rollout import compute_token_stats
from rlhf.sampling.sampler import banned_ids, draw_uniforms, generate
from tests.support.ppo_parts import (
    PROMPTS,
    Passes,
    actor,
    begun,
    exact_logps,
    new_logps,
    ppo_config,
    ppo_trainer,
    rollouts,
    shake,
    starting_adapter,
    tiny_base,
)

# ---- the same numbers before and during training


def test_check_18_the_ratio_is_one_before_the_first_step(base, tmp_path):
    """Bug 17 too."""
    trainer = begun(base, tmp_path, start=starting_adapter(base, tmp_path), max_new_tokens=16)
    with torch.no_grad():
        assert (new_logps(trainer) - trainer._experience.old_logps).abs().max() < 1e-4


def test_check_18_with_a_learning_rate_of_zero_the_ratio_stays_one(base, tmp_path):
    trainer = ppo_trainer(
        base, ppo_config(tmp_path, updates=2, learning_rate=0.0), start=starting_adapter(base, tmp_path)
    )
    trainer.train()
    logs = [log for log in trainer.state.log_history if "ratio" in log]
    assert len(logs) == 2
    for log in logs:
        assert log["ratio"] == pytest.approx(1.0, abs=1e-5)
        assert log["clip_fraction"] == 0
        assert log["approx_kl"] < 1e-8


def test_check_20_dropout_is_off_even_in_a_model_that_asks_for_it(tmp_path):
    base = tiny_base("gpt2", tmp_path)
    assert base.config.resid_pdrop > 0
    trainer = begun(base, tmp_path, start=LoraConfig(r=4, lora_dropout=0.5, target_modules="all-linear"))
    trainer.model.train()
    assert not any(module.training for module in trainer.model.modules())
    assert torch.equal(new_logps(trainer), new_logps(trainer))


def test_check_19_logits_are_float32_whatever_the_trunk_computes_in(llama):
    model = actor(llama, bf16=True)
    prompt, answer = [5, 6, 7, 8], list(range(40, 60))
    batch = answer_batch(llama, [prompt], [answer])
    with llama.role("policy"), torch.no_grad():
        found = model(*batch)[0].double()
        with torch.autocast("cpu", torch.bfloat16):
            states = llama.hidden(batch.ids, batch.mask)[0, len(prompt) - 1 :].double()
    logits = states @ llama.causal.get_output_embeddings().weight.double().T
    logits[:, banned_ids(llama)] = -torch.inf
    expected, rough = (x.log_softmax(-1)[range(len(answer)), answer] for x in (logits, logits.bfloat16().double()))
    assert (found - expected).abs().max() < 1e-4
    assert (rough - expected).abs().max() > 1e-3  # what logits in bfloat16 would cost


def test_check_19_in_bfloat16_the_ratio_stays_near_one_while_nothing_is_learned(llama, tmp_path):
    options = {"bf16": True, "learning_rate": 0.0, "max_new_tokens": 16}
    trainer = ppo_trainer(llama, ppo_config(tmp_path, **options), start=starting_adapter(llama, tmp_path))
    trainer.train()
    (log,) = rollouts(trainer)
    assert log["clip_fraction"] == 0
    assert log["ratio"] == pytest.approx(1, abs=0.01)


# ---- one base, several roles


def test_check_29_the_reference_is_the_policy_as_it_starts_not_the_bare_base(base, tmp_path):
    """Bug 8 too."""
    trainer = begun(base, tmp_path, start=starting_adapter(base, tmp_path))
    assert trainer._metrics["kl"] == 0.0
    data = trainer._experience
    bare = compute_token_stats(trainer.model, data.prompts, data.answers, 8)
    assert (data.old_logps - bare.logps).sum(1).mean() > 0.1  # against the bare base it would not be 0


def test_check_29_a_fresh_adapter_starts_at_zero_kl_too(base, tmp_path):
    assert begun(base, tmp_path)._metrics["kl"] == 0.0


def test_check_30_one_step_moves_policy_and_critic_and_nothing_else(base, tmp_path):
    start = starting_adapter(base, tmp_path)
    base.add_adapter("judge")
    judge = RewardModel(base, [Member("judge", torch.randn(base.hidden_size))], describe_base(base))
    trainer = ppo_trainer(base, ppo_config(tmp_path, warmup_steps=0, critic="joint"), reward=judge, start=start)
    watched = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    passes = Passes(trainer)
    trainer.add_callback(passes)
    trainer.ppo_state.best = None
    trainer.train()
    first = dict(zip([n for n, p in trainer.model.named_parameters() if p.requires_grad], passes.after[0], strict=True))
    assert {name.split(".")[0] for name in first} == {"causal", "value_head"}
    assert all(".policy." in name or "value_head" in name for name in first)
    still = [name for name, value in first.items() if torch.equal(value, watched[name])]
    assert not still
    for name, value in trainer.model.state_dict().items():
        if name not in first:
            assert torch.equal(value, watched[name]), name


def test_check_30_roles_leave_requires_grad_as_it_was(base, tmp_path):
    trainer = ppo_trainer(base, ppo_config(tmp_path), start=starting_adapter(base, tmp_path))
    base.add_adapter("judge")
    for role in ("reference", None, "judge", "policy"):
        with base.role(role):
            pass
        trainable = {name for name, p in trainer.model.named_parameters() if p.requires_grad}
        assert len(trainable) == len(base.parameters("policy")) + 2
        assert all(".policy." in name or "value_head" in name for name in trainable)


# ---- seeds and metrics


@pytest.mark.parametrize(
    ("rows", "size"), [(range(16), 3), (range(15, -1, -1), 16), (range(8, 16), 16)], ids=["batch", "order", "rank"]
)
def test_check_36_an_answer_depends_neither_on_batch_nor_on_order_nor_on_who_draws_it(base, rows, size):
    prompts = [base.encode_prompt(row["prompt"]) for row in PROMPTS]
    whole = generate(base, prompts, draw_uniforms(3, 5, range(16), 12), max_new_tokens=12)
    part = generate(
        base, [prompts[row] for row in rows], draw_uniforms(3, 5, rows, 12), max_new_tokens=12, batch_size=size
    )
    assert part.ids == [whole.ids[row] for row in rows]
    assert part.ended == [whole.ended[row] for row in rows]
    other = generate(base, prompts, draw_uniforms(3, 6, range(16), 12), max_new_tokens=12)
    assert other.ids != whole.ids  # another update, other answers


def test_check_36_a_rollout_does_not_depend_on_how_it_is_cut_into_passes(llama, tmp_path):
    start, found = starting_adapter(llama, tmp_path), []
    for size, accumulated in ((8, 1), (2, 4)):
        base = tiny_base("llama", tmp_path)
        options = {
            "per_device_train_batch_size": size,
            "gradient_accumulation_steps": accumulated,
            "max_new_tokens": 16,
        }
        found.append(begun(base, tmp_path, start=start, **options)._experience)
    assert found[0].answers == found[1].answers
    for name in ("old_logps", "advantages", "returns"):
        assert torch.allclose(getattr(found[0], name), getattr(found[1], name), atol=1e-4)


def test_check_37_kl_length_entropy_and_endings_stand_beside_the_reward(llama, tmp_path):
    """Each against a plain pass over single unpadded rows in float64. Entropy is never below 0 (bug 6): padding is not
    in it."""
    trainer = begun(llama, tmp_path, start=starting_adapter(llama, tmp_path), max_new_tokens=120)
    shake(llama, "policy", 0.05)
    with llama.role("policy"):
        trainer._begin_update(1)
    data, metrics = trainer._experience, trainer._metrics
    tables = {
        role: [exact_logps(llama, role, *row) for row in zip(data.prompts, data.answers, strict=True)]
        for role in ("policy", "reference")
    }
    entropies = np.concatenate([-(np.exp(t) * np.where(np.isinf(t), 0, t)).sum(1) for t in tables["policy"]])
    chosen = {
        role: [t[range(len(a)), a].sum() for t, a in zip(found, data.answers, strict=True)]
        for role, found in tables.items()
    }
    assert len({len(answer) for answer in data.answers}) > 1
    assert metrics["entropy"] == pytest.approx(entropies.mean(), rel=1e-5, abs=1e-4)
    assert metrics["kl"] == pytest.approx(
        np.mean(np.subtract(chosen["policy"], chosen["reference"])), rel=1e-5, abs=1e-3
    )
    assert metrics["length"] == np.mean([len(answer) for answer in data.answers])
    assert metrics["ended"] == np.mean([answer[-1] in llama.eos_ids for answer in data.answers])
