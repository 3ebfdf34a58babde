# SPDX-License-Identifier: Apache-2.0
"""Known traps of PPO on language models, one test each: the critic and the reward. docs/ppo-checks.md lists them by
number."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file

from reward.base.frozen_base import Base
from reward.report.build import ScoredComparison, build_report
from rlhf.ppo.checkpoint import HEAD
from rlhf.ppo.reward_shaping import Scorer
from rlhf.sampling.sampler import banned_ids, generate
from tests.support.ppo_parts import PLAIN, Passes, begun, ppo_config, ppo_trainer, random_judge, tiny_base
from tests.support.tiny_model import make_tiny_model


def test_check_15_a_reward_that_is_bad_everywhere_stays_bad(llama, tmp_path):
    """Centring by the rollout's own mean would make it 0. The value head starts at 0 and KL is 0: returns are the
    score itself."""
    trainer = begun(llama, tmp_path, reward=lambda prompts, answers: [-2.0] * len(answers), gamma=1.0, lam=1.0, **PLAIN)
    assert torch.equal(trainer._experience.returns, torch.where(trainer._experience.mask, -2.0, 0.0))


def test_check_25_the_critic_starts_at_zero_so_the_first_returns_are_discounted_scores(llama, tmp_path):
    """Values and KL are 0: the return of token t of an answer of n tokens is (gamma lambda)^(n - 1 - t) x its score."""
    options = PLAIN | {"gamma": 0.9, "lam": 0.5, "max_new_tokens": 60}
    trainer = begun(llama, tmp_path, reward=lambda prompts, answers: list(range(1, len(answers) + 1)), **options)
    data = trainer._experience
    assert not data.old_values.any()
    assert len(set(data.mask.sum(1).tolist())) > 1
    for row, answer in enumerate(data.answers):
        expected = 0.45 ** np.arange(len(answer) - 1, -1, -1) * (row + 1)
        assert np.allclose(data.returns[row, : len(answer)], expected, atol=1e-6)


def test_check_27_every_configured_end_token_ends_an_answer_and_the_penalty_is_subtracted(tmp_path):
    folder = make_tiny_model("llama", tmp_path / "two")
    written = json.loads((folder / "generation_config.json").read_text()) | {"eos_token_id": [0, 77]}
    (folder / "generation_config.json").write_text(json.dumps(written))
    base, prompt = Base.load(folder), [5, 6, 7]
    with torch.no_grad():
        logits = base.causal(torch.tensor([prompt])).logits[0, -1].double()
    logits[banned_ids(base)] = -torch.inf
    shares = logits.softmax(-1).numpy()
    noise = np.full((2, 2), 0.9)
    noise[0, 0] = shares[:77].sum() + shares[77] / 2  # the middle of token 77's stretch
    rollout = generate(base, [prompt] * 2, noise, max_new_tokens=2, banned=banned_ids(base))
    assert rollout.ids[0] == [77]
    assert rollout.ended == [True, False]
    scorer = Scorer(base, lambda prompts, answers: [3.0] * len(answers), missing_eos_penalty=1.5)
    assert scorer.standardize(scorer.raw_scores(["Hi.", "Hi."], rollout.ids), rollout.ended).tolist() == [3.0, 1.5]


def test_check_28_a_rollouts_score_is_that_of_the_sequence_a_reward_model_is_trained_on(base):
    """Prompt by the template, the sampled ids, one end token: the last hidden state of a plain pass, times the head.
    Bug 13 too."""
    judge, end = random_judge(base), base.encoding.eos_id
    prompts, answers = ["Hi.", "Name two animals."], [[40, 41, 42, end], [50, 51]]
    found = Scorer(base, judge, 0.0).raw_scores(prompts, answers)
    for prompt, answer, score in zip(prompts, [answers[0], [*answers[1], end]], found.tolist(), strict=True):
        row = torch.tensor([base.encode_prompt(prompt) + answer])
        with base.role("judge"), torch.no_grad():
            state = base.causal(row, output_hidden_states=True).hidden_states[-1][0, -1]
        assert score == pytest.approx((state.double() @ judge.members[0].head.double()).item(), rel=1e-5, abs=1e-4)
    text = Scorer(base, judge, 0.0).raw_scores(["Hi."], [base.encode_completion("Sure.")])
    assert text.item() == pytest.approx(judge.score(["Hi."], ["Sure."])[0], rel=1e-5, abs=1e-5)


def test_check_33_what_a_run_saves_is_read_back_as_it_was(llama, tmp_path):
    """Bugs 5 and 30 too."""
    start = LoraConfig(r=4, lora_alpha=12, target_modules="all-linear")
    trainer = ppo_trainer(llama, ppo_config(tmp_path, warmup_steps=0, save_strategy="steps"), start=start)
    passes = Passes(trainer)
    trainer.add_callback(passes)
    trainer.train()
    folder = tmp_path / "ppo" / "checkpoint-4"
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (4, 12)
    other = tiny_base("llama", tmp_path)
    other.add_adapter("policy", folder)
    names = [name for name, p in trainer.model.named_parameters() if p.requires_grad]
    last = dict(zip(names, passes.after[-1], strict=True))
    assert all(torch.equal(one, two) for one, two in zip(other.parameters("policy"), last.values(), strict=False))
    head = load_file(folder / HEAD)
    assert head["weight"].any()
    assert all(
        torch.equal(head[name.removeprefix("value_head.")], last[name])
        for name in names
        if name.startswith("value_head")
    )


def test_check_34_a_reward_model_without_an_opinion_is_right_half_the_time_at_a_loss_of_ln_2():
    """Where a strict comparison counts equal scores as wrong it says 0, where argmax decides it says 1."""
    rows = [
        ScoredComparison(number, "p", "a", "b", 1.5, 1.5, label, 2) for number, label in enumerate([1.0, 0.0, 1.0, 1.0])
    ]
    report = build_report(rows)
    assert report["accuracy"] == 0.5
    assert report["loss"] == pytest.approx(math.log(2))
    assert report["chance_loss"] == pytest.approx(math.log(2))
