# SPDX-License-Identifier: Apache-2.0
"""What went wrong in other PPO trainers while answers were sampled and scored, one test each. docs/ppo-checks.md lists
the reports by number."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from peft import LoraConfig
from transformers import LogitsProcessor

from data.errors import BadInput
from reward.base.frozen_base import Base
from rlhf.ppo import arithmetic
from rlhf.ppo.collector import FIXED_PROMPTS
from rlhf.ppo.reward_shaping import Scorer
from rlhf.ppo.rollout import make_experience, score_rollout
from rlhf.sampling.sampler import Rollout, banned_ids, draw_uniforms, generate
from tests.support.ppo_parts import (
    PROMPTS,
    begun,
    exact_logps,
    ppo_config,
    ppo_trainer,
    random_judge,
    shake,
    starting_adapter,
    tiny_base,
)
from tests.support.tiny_model import make_tiny_model


@pytest.fixture
def base(tmp_path) -> Base:
    return tiny_base("llama", tmp_path)


def test_bug_01_the_score_lies_on_the_last_token_of_ended_and_of_cut_answers(base, tmp_path):
    """With lambda = 0 and values of 0 a return is the token's own reward: 2 on the last token, which is never padding,
    0 elsewhere."""
    options = {"gamma": 1.0, "lam": 0.0, "max_new_tokens": 60, "standardize_reward": False, "missing_eos_penalty": 0.0}
    data = begun(base, tmp_path, reward=lambda prompts, answers: [2.0] * len(answers), **options)._experience
    assert {answer[-1] in base.eos_ids for answer in data.answers} == {True, False}
    expected = torch.zeros(data.mask.shape)
    for row, answer in enumerate(data.answers):
        expected[row, len(answer) - 1] = 2.0
    assert torch.equal(data.returns, expected)


@pytest.mark.parametrize("with_adapter", [True, False])
def test_bug_09_the_references_answers_are_the_start_policys_whatever_was_learned(base, tmp_path, with_adapter):
    start = starting_adapter(base, tmp_path) if with_adapter else None
    options = {"updates": 1, "learning_rate": 0.05, "warmup_steps": 0, "kl_budget": 1e3, "kl_target": None}
    trainer = ppo_trainer(base, ppo_config(tmp_path, **options), held_out=PROMPTS[:4], start=start)
    trainer.train()
    fresh = tiny_base("llama", tmp_path)
    if with_adapter:
        fresh.add_adapter("start", start)
    prompts, noise = (
        [fresh.encode_prompt(row["prompt"]) for row in PROMPTS[:4]],
        draw_uniforms(trainer.args.seed, FIXED_PROMPTS, range(4), 8),
    )
    with fresh.role("start" if with_adapter else None):
        expected = generate(fresh, prompts, noise, max_new_tokens=8, banned=banned_ids(fresh))
    assert [sample["reference"] for sample in trainer.samples] == [fresh.decode(ids) for ids in expected.ids]
    assert [sample["policy"] for sample in trainer.samples] != [sample["reference"] for sample in trainer.samples]


@pytest.mark.parametrize("with_adapter", [True, False])
def test_bug_10_the_reference_needs_no_model_and_no_copy_of_the_base(base, tmp_path, with_adapter):
    own = sum(p.numel() for p in base.causal.parameters())
    trainer = ppo_trainer(base, ppo_config(tmp_path), start=starting_adapter(base, tmp_path) if with_adapter else None)
    held = {
        name: p.numel()
        for name, p in trainer.model.named_parameters()
        if "lora" not in name and "value_head" not in name
    }
    assert sum(held.values()) == own


def test_bug_11_an_adapter_saved_for_inference_is_trained_all_the_same(base, tmp_path):
    start = starting_adapter(base, tmp_path)
    config = json.loads((start / "adapter_config.json").read_text()) | {"inference_mode": True}
    (start / "adapter_config.json").write_text(json.dumps(config))
    trainer = ppo_trainer(base, ppo_config(tmp_path, warmup_steps=0), start=start)
    trainable = {id(p) for group in trainer.create_optimizer().param_groups for p in group["params"]}
    assert {id(p) for p in base.parameters("policy")} <= trainable
    assert not {id(p) for p in base.parameters("reference")} & trainable


@pytest.mark.parametrize(
    "options",
    [{"bias": "all"}, {"lora_bias": True}, {"init_lora_weights": "pissa"}, {"init_lora_weights": False}],
    ids=str,
)
def test_bug_08_a_configuration_that_would_move_the_base_or_the_start_is_refused_by_name(tmp_path, options):
    """Biases would be trained for every role, PiSSA takes its start out of the weights, a random start is at once away
    from the reference."""
    base = tiny_base("gpt2", tmp_path)
    before = {name: p.clone() for name, p in base.causal.named_parameters()}
    (word,) = options
    with pytest.raises(BadInput, match=word) as caught:
        ppo_trainer(base, ppo_config(tmp_path), start=LoraConfig(r=4, target_modules="all-linear", **options))
    assert caught.value.field == "peft_config"
    assert all(torch.equal(p, before[name]) for name, p in base.causal.named_parameters())
    ppo_trainer(
        base, ppo_config(tmp_path), start=LoraConfig(r=4, target_modules="all-linear", init_lora_weights="gaussian")
    )


def test_bug_12_a_reward_model_with_another_tokenizer_reads_the_text_not_the_policys_ids(base, tmp_path):
    other = Base.load(make_tiny_model("gpt2", tmp_path / "judge", vocab=290, seed=4))
    judge = random_judge(other)
    prompts, answers = (
        ["Hi.", "Name two animals."],
        [base.encode_completion("Sure. The answer is 19."), base.encode_completion("no.")[:-1]],
    )
    found = Scorer(base, judge, 0.0).raw_scores(prompts, answers)
    for prompt, text, score in zip(prompts, ["Sure. The answer is 19.", "no."], found.tolist(), strict=True):
        row = other.encode_prompt(prompt) + other.tokenizer(text)["input_ids"] + [other.encoding.eos_id]
        with other.role("judge"), torch.no_grad():
            state = other.causal(torch.tensor([row]), output_hidden_states=True).hidden_states[-1][0, -1]
        assert score == pytest.approx((state.double() @ judge.members[0].head.double()).item(), rel=1e-5, abs=1e-4)
    assert answers[0] != other.encode_completion("Sure. The answer is 19.")


def test_bug_20_35_the_mean_of_k1_is_the_exact_kl_and_single_tokens_may_be_negative(base, tmp_path):
    """First tokens of one prompt, 512 times: the exact KL is a sum over the vocabulary, k1 may miss it by 3 standard
    errors.

    A top-k, a shortest length or padding in the sum would push the mean away, a clamp at 0 would push it up.
    """
    prompts = [{"prompt": "Hi."}] * 512
    options = {"rollout_batch_size": 512, "per_device_train_batch_size": 256, "max_new_tokens": 1}
    trainer = ppo_trainer(
        base,
        ppo_config(tmp_path, **options),
        train=prompts,
        held_out=prompts[:2],
        start=starting_adapter(base, tmp_path),
    )
    shake(base, "policy", 0.1)
    with base.role("policy"):
        seen = trainer.collector.collect(prompts, trainer.prompts, 0)
    p, q = (exact_logps(base, role, base.encode_prompt("Hi."), [0])[0] for role in ("policy", "reference"))
    real = ~np.isinf(p)
    exact = (np.exp(p[real]) * (p[real] - q[real])).sum()
    error = seen.kl.std().item() / 512**0.5
    assert exact > 0.05
    assert seen.kl.mean().item() == pytest.approx(exact, abs=3 * error)
    assert (seen.kl < 0).any()


class Forced(LogitsProcessor):
    """Makes transformers' own loop draw the given answer."""

    def __init__(self, prompt: list[int], answer: list[int]) -> None:
        self.start, self.answer = len(prompt), answer

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return torch.full_like(scores, -torch.inf).index_fill(
            1, torch.tensor([self.answer[ids.shape[1] - self.start]]), 0.0
        )


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_bug_27_merged_sampling_draws_from_the_distribution_of_transformers_generate(kind, tmp_path):
    """Merged weights, batch and cache against the library's loop on unmerged weights, row by row; and samples differ,
    nothing is greedy."""
    base = tiny_base(kind, tmp_path)
    base.add_adapter("policy", starting_adapter(base, tmp_path))
    prompts = [base.encode_prompt("Hi."), base.encode_prompt("Name two animals."), base.encode_prompt("Hi.")]
    with base.role("policy"):
        drawn = generate(base, prompts, draw_uniforms(0, 0, range(3), 12), max_new_tokens=12, banned=banned_ids(base))
        for prompt, answer, logps in zip(prompts[:2], drawn.ids, drawn.logps, strict=False):
            options = {
                "max_new_tokens": len(answer),
                "do_sample": False,
                "output_logits": True,
                "return_dict_in_generate": True,
            }
            row = torch.tensor([prompt])
            theirs = base.causal.generate(
                row, attention_mask=torch.ones_like(row), logits_processor=[Forced(prompt, answer)], **options
            )
            assert theirs.sequences[0, len(prompt) :].tolist() == answer
            logits = torch.cat(theirs.logits).double()
            logits[:, banned_ids(base)] = -torch.inf
            assert np.allclose(logits.log_softmax(-1)[range(len(answer)), answer].numpy(), logps, atol=1e-4)
    assert drawn.ids[0] != drawn.ids[2]


def test_bug_28_a_rollout_of_end_tokens_alone_trains_one_token_each(base, tmp_path):
    trainer = begun(base, tmp_path)
    end, count = base.encoding.eos_id, 8
    answers = Rollout([[end]] * count, [[0.0]] * count, [True] * count)
    with base.role("policy"):
        seen = score_rollout(
            trainer.model, trainer.reference, trainer._experience.prompts, answers, torch.arange(8.0), 8
        )
        trainer._experience = make_experience(
            seen, arithmetic.token_rewards(seen.scores, seen.kl, seen.mask, 0.1), trainer.args
        )
        trainer.compute_loss(trainer.model, {"rows": list(range(count)), "window": count}).backward()
    assert trainer._experience.mask.tolist() == [[True]] * count
    norms = [p.grad.norm() for p in trainer.model.parameters() if p.grad is not None]
    assert torch.stack(norms).isfinite().all()
    assert torch.stack(norms).sum() > 0
    heard = []
    Scorer(base, lambda prompts, texts: heard.extend(texts) or [0.0] * len(texts), 0.0).raw_scores(["Hi."], [[end]])
    assert heard == [""]


def test_bug_32_a_start_from_another_base_is_refused_by_name(base, tmp_path):
    wide = Base.load(make_tiny_model("llama", tmp_path / "wide", hidden=64))
    start = starting_adapter(wide, tmp_path)
    with pytest.raises(BadInput, match="does not fit the base model"):
        ppo_trainer(base, ppo_config(tmp_path), start=start)


@pytest.mark.parametrize("reward", [torch.nn.Linear(2, 1), 3.0, "r1"], ids=["module", "number", "name"])
def test_bug_36_what_cannot_score_texts_is_refused_by_name(base, reward):
    with pytest.raises(BadInput, match=type(reward).__name__) as caught:
        Scorer(base, reward, 0.0)
    assert caught.value.field == "reward"
