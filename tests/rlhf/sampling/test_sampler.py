# SPDX-License-Identifier: Apache-2.0
"""Sampling: a function of weights, prompt and noise alone, from the full softmax, up to an end token."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data.errors import BadInput
from reward.base.frozen_base import Base
from rlhf.sampling.sampler import banned_ids, draw_uniforms, generate
from rlhf.sampling.vocabulary import token_logps
from tests.support.sampled_answers import LIMIT, PROMPTS, base_with_policy, plain_logps, sample
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(params=["llama", "gpt2"])
def base(request, tmp_path):
    return base_with_policy(request.param, tmp_path)


def test_noise_depends_only_on_its_counter():
    noise = draw_uniforms(7, 3, [4, 9, 2], 10)
    assert np.array_equal(draw_uniforms(7, 3, [2], 10)[0], noise[2])  # neither on the other rows nor on their order
    assert np.array_equal(draw_uniforms(7, 3, [(2, 0)], 4)[0], noise[2, :4])  # nor on how much of it is asked for
    assert np.array_equal(draw_uniforms(7, 3, [4, 9, 2], 10), noise)


def test_every_part_of_the_counter_changes_the_noise():
    counters = [(7, 3, 4, 0), (8, 3, 4, 0), (7, 4, 4, 0), (7, 3, 5, 0), (7, 3, 4, 1)]
    rows = [draw_uniforms(seed, update, [(prompt, sample)], 8) for seed, update, prompt, sample in counters]
    assert len({row.tobytes() for row in rows}) == 5


def test_noise_is_uniform():
    noise = draw_uniforms(0, 0, range(200), 50)
    assert noise.dtype == np.float64
    assert noise.min() >= 0
    assert noise.max() < 1
    assert abs(noise.mean() - 0.5) < 4 * np.sqrt(1 / 12 / noise.size)


def test_an_answer_is_the_same_alone_in_a_batch_and_in_any_order(base):
    prompts = [base.encode_prompt(text) for text in PROMPTS]
    noise = draw_uniforms(0, 0, range(5), LIMIT)
    together = sample(base, prompts, noise)
    reverse = sample(base, prompts[::-1], noise[::-1])
    small = sample(base, prompts, noise, batch_size=2)
    alone = [sample(base, [prompt], noise[row : row + 1]).ids[0] for row, prompt in enumerate(prompts)]
    assert together.ids == reverse.ids[::-1] == small.ids == alone


def test_returned_logps_match_a_plain_forward_pass(base):
    prompts = [base.encode_prompt(text) for text in PROMPTS]
    for temperature in (1.0, 0.7):
        rollout = sample(base, prompts, draw_uniforms(0, 0, range(5), LIMIT), temperature=temperature)
        for prompt, answer, logps in zip(prompts, rollout.ids, rollout.logps, strict=True):
            assert torch.allclose(torch.tensor(logps), plain_logps(base, prompt, answer, temperature), atol=1e-4)


def test_answers_stop_at_the_end_token_and_report_it(base):
    prompts = [base.encode_prompt(text) for text in PROMPTS] * 8
    rollout = sample(base, prompts, draw_uniforms(1, 0, range(40), LIMIT))
    assert any(rollout.ended)
    for ids, logps, ended in zip(rollout.ids, rollout.logps, rollout.ended, strict=True):
        assert len(ids) == len(logps)
        assert not base.eos_ids & set(ids[:-1])
        assert ended == (ids[-1] in base.eos_ids)
        assert ended or len(ids) == LIMIT


def test_first_tokens_follow_the_softmax(base):
    prompt, draws = base.encode_prompt("Hi."), 400
    with base.role("policy"):
        rollout = generate(
            base, [prompt] * draws, draw_uniforms(0, 0, range(draws), 1), max_new_tokens=1, banned=banned_ids(base)
        )
        ids, mask = base.collate([prompt])
        with torch.no_grad():
            p = token_logps(base.logits(base.hidden(ids, mask))[0, -1], 1.0, banned_ids(base)).exp().numpy()
    counts = np.bincount([answer[0] for answer in rollout.ids], minlength=len(p))
    common = p * draws >= 5
    pearson = ((counts - p * draws)[common] ** 2 / (p * draws)[common]).sum()
    assert pearson < common.sum() + 5 * np.sqrt(2 * common.sum())  # chi-square: mean k, variance 2k
    assert counts[list(banned_ids(base))].sum() == 0


def test_control_tokens_are_impossible_in_samples_and_in_logps(base):
    banned = banned_ids(base)
    assert base.pad_id in banned
    assert not base.eos_ids & set(banned)
    logps = token_logps(torch.randn(3, base.encoding.rows), 1.0, banned)
    assert (logps[:, banned] == -torch.inf).all()
    assert torch.allclose(logps.exp().sum(-1), torch.ones(3))


def test_a_model_whose_pad_is_its_end_token_gives_the_same_answers(tmp_path):
    """Masks come from lengths, never from the pad id."""
    rollouts = []
    for pad in (True, False):
        base = Base.load(make_tiny_model("gpt2", tmp_path / str(pad)))
        base.add_adapter("policy")
        if not pad:
            base.encoding.__dict__["pad_id"] = base.encoding.eos_id
        prompts = [base.encode_prompt(text) for text in PROMPTS]
        rollouts.append(sample(base, prompts, draw_uniforms(0, 0, range(5), LIMIT)).ids)
    assert rollouts[0] == rollouts[1]


def test_a_prompt_that_fills_the_context_is_refused(base):
    with pytest.raises(BadInput, match="255 tokens"):
        sample(base, [[5] * 255], draw_uniforms(0, 0, [0], LIMIT))


def test_an_answer_ends_with_the_context(base):
    rollout = sample(base, [[5] * 250, [5] * 3], draw_uniforms(0, 0, range(2), LIMIT))
    assert len(rollout.ids[0]) <= 5  # 256 - 250, less one place for an end token
    assert rollout.ended[0] or len(rollout.ids[0]) == 5


def test_temperature_zero_is_refused(base):
    with pytest.raises(BadInput, match="temperature 0"):
        sample(base, [[5]], draw_uniforms(0, 0, [0], LIMIT), temperature=0)


def test_the_output_layer_reads_contiguous_states_for_torch_copies_its_weights_per_row_otherwise(base):
    seen = []
    base.causal.get_output_embeddings().register_forward_pre_hook(
        lambda _, inputs: seen.append((inputs[0].shape[1], inputs[0].is_contiguous()))
    )
    sample(base, [base.encode_prompt(text) for text in PROMPTS], draw_uniforms(0, 0, range(5), LIMIT))
    assert len(seen) > 1
    assert set(seen) == {(1, True)}
