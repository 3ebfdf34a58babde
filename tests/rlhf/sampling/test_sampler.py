# SPDX-License-Identifier: Apache-2.0
"""Sampling: a function of weights, prompt and noise alone, from the full softmax, ending where an end is drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from data.errors import BadInput
from reward.base.frozen_base import Base
from rlhf.sampling.sampler import banned_ids, draw_uniforms, generate, in_bfloat16, merged_adapter, token_logps
from tests.support.tiny_model import make_tiny_model

PROMPTS = [
    "Hi.",
    "Write a short thank-you note to Mina for the book.",
    "What is 12 plus 7?",
    "Name two animals.",
    "No.",
]
LIMIT = 24


@pytest.fixture(params=["llama", "gpt2"])
def base(request, tmp_path):
    """With a policy adapter that says something else than the bare base."""
    loaded = Base.load(make_tiny_model(request.param, tmp_path))
    loaded.add_adapter("policy", trainable=True)
    torch.manual_seed(1)
    for matrix in loaded.parameters("policy"):
        torch.nn.init.normal_(matrix, std=0.1)
    return loaded


def sample(base, prompts, noise, **options):
    with base.role("policy"):
        return generate(base, prompts, noise, max_new_tokens=LIMIT, banned=banned_ids(base), **options)


@torch.no_grad()
def scored(base, prompt, answer, temperature=1.0, bf16=False):
    """Log-probabilities of one unpadded row by a plain forward pass."""
    ids, mask = base.collate([prompt + answer])
    with base.role("policy"), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        states = base.hidden(ids, mask)
    logits = base.logits(states.float())[0, len(prompt) - 1 : -1]
    return token_logps(logits, temperature, banned_ids(base)).gather(-1, torch.tensor(answer)[:, None])[:, 0]


# ---- noise


def test_noise_depends_on_its_own_counter_only():
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


# ---- answers


def test_an_answer_is_the_same_alone_in_a_batch_and_in_any_order(base):
    prompts = [base.encode_prompt(text) for text in PROMPTS]
    noise = draw_uniforms(0, 0, range(5), LIMIT)
    together = sample(base, prompts, noise)
    reverse = sample(base, prompts[::-1], noise[::-1])
    small = sample(base, prompts, noise, batch_size=2)
    alone = [sample(base, [prompt], noise[row : row + 1]).ids[0] for row, prompt in enumerate(prompts)]
    assert together.ids == reverse.ids[::-1] == small.ids == alone


def test_returned_logps_are_those_of_a_plain_forward_pass(base):
    prompts = [base.encode_prompt(text) for text in PROMPTS]
    for temperature in (1.0, 0.7):
        rollout = sample(base, prompts, draw_uniforms(0, 0, range(5), LIMIT), temperature=temperature)
        for prompt, answer, logps in zip(prompts, rollout.ids, rollout.logps, strict=True):
            assert torch.allclose(torch.tensor(logps), scored(base, prompt, answer, temperature), atol=1e-4)


def test_answers_stop_at_the_end_token_and_say_so(base):
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
    """The pad id fills, it never decides: masks come from lengths."""
    rollouts = []
    for pad in (True, False):
        base = Base.load(make_tiny_model("gpt2", tmp_path / str(pad)))
        base.add_adapter("policy")
        if not pad:
            base.encoding.__dict__["pad_id"] = base.encoding.eos_id
        prompts = [base.encode_prompt(text) for text in PROMPTS]
        rollouts.append(sample(base, prompts, draw_uniforms(0, 0, range(5), LIMIT)).ids)
    assert rollouts[0] == rollouts[1]


# ---- rows that are free


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "gemma", "gemma2"])
@pytest.mark.parametrize("batch_size", [2, 8])
def test_greedy_answers_are_those_of_transformers_generate(kind, batch_size, tmp_path):
    """Token for token, with answers of uneven length, in rows that are taken over and rows that leave; gemma2 looks
    back 8 tokens only."""
    folder = make_tiny_model(kind, tmp_path)
    edit(folder / "generation_config.json", eos_token_id=list(range(0, 320, 16)))  # one id in sixteen ends an answer
    edit(folder / "config.json", **({"sliding_window": 8} if kind == "gemma2" else {}))
    base = Base.load(folder)
    if kind.startswith("gemma"):
        base.causal.get_input_embeddings().weight.data.mul_(
            0.05
        )  # random and tied, else they repeat the last token for ever
    prompts = [base.encode_prompt(text) for text in PROMPTS * 2]
    prompts[5:] = [prompt + [20 + place] for place, prompt in enumerate(prompts[5:])]
    noise = np.full((len(prompts), LIMIT), 0.5)
    mine = generate(base, prompts, noise, max_new_tokens=LIMIT, temperature=1e-6, batch_size=batch_size)
    ids, mask = base.collate(prompts, side="left")
    ends = {"eos_token_id": sorted(base.eos_ids), "pad_token_id": base.pad_id}
    with torch.no_grad():
        rows = base.causal.generate(input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=LIMIT, **ends)[
            :, ids.shape[1] :
        ]
    theirs = [
        [*base.encoding.answer_ids(row), *[token for token in row if token in base.eos_ids][:1]]
        for row in rows.tolist()
    ]
    assert mine.ids == theirs
    assert len({len(answer) for answer in theirs}) > 2


def edit(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def forwards(base, noise, **options):
    """Shapes (rows, tokens) of the forward passes for answers to one prompt; at 0 the first id is drawn, the end
    token."""
    shapes = []
    hook = base.causal.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    prompt = base.encode_prompt("Hi.")
    rollout = generate(
        base, [prompt] * len(noise), noise, max_new_tokens=noise.shape[1], banned=banned_ids(base), **options
    )
    hook.remove()
    return [len(answer) for answer in rollout.ids], shapes, len(prompt)


def test_a_waiting_prompt_takes_over_the_row_of_an_answer_that_is_over(base):
    noise = np.full((3, 50), 0.5)
    noise[[0, 1, 2], [4, 1, 7]] = 0.0  # answers of 5, 2 and 8 tokens; the last of the list begin
    lengths, shapes, width = forwards(base, noise, batch_size=2)
    assert lengths == [5, 2, 8]
    # tokens 1 and 2 of two rows; one ends, the third is read; then its tokens 2 to 5 beside 3 to 6, and 7 and 8 alone
    assert shapes == [(1, width), (2, 1), (1, width), *[(2, 1)] * 4, *[(1, 1)] * 2]


def test_a_prompt_that_several_answers_share_is_read_once(base):
    noise = np.full((4, 50), 0.5)
    noise[:, 2] = 0.0
    lengths, shapes, width = forwards(base, noise)
    assert lengths == [3] * 4
    assert shapes == [(1, width), (4, 1), (4, 1)]


def test_a_row_that_is_over_stays_inside_the_context(base):
    """It is carried along while few are over; a model with learned positions has none beyond its context."""
    prompts = [[5] * 250, *[[5] * 3] * 9]
    noise = draw_uniforms(0, 0, range(10), LIMIT)
    with base.role("policy"):
        rollout = generate(base, prompts, noise, max_new_tokens=LIMIT, banned=[*banned_ids(base), *base.eos_ids])
    assert [len(answer) for answer in rollout.ids] == [5] + [LIMIT] * 9


# ---- weights


def test_check_32_merged_weights_are_restored_bit_by_bit(base):
    before = {name: value.clone() for name, value in base.causal.state_dict().items()}
    with base.role("policy"):
        with merged_adapter(base):
            assert any(not torch.equal(value, before[name]) for name, value in base.causal.state_dict().items())
        with pytest.raises(RuntimeError), merged_adapter(base):
            raise RuntimeError
    assert all(torch.equal(value, before[name]) for name, value in base.causal.state_dict().items())


def test_sampling_in_bfloat16_leaves_every_weight_as_it_was(base):
    before = {name: value.clone() for name, value in base.causal.state_dict().items()}
    prompts = [base.encode_prompt(text) for text in PROMPTS]
    sample(base, prompts, draw_uniforms(0, 0, range(5), LIMIT), bf16=True)
    with in_bfloat16(base):
        assert {value.dtype for value in base.causal.base_model.state_dict().values()} == {
            torch.float32,
            torch.bfloat16,
        }
    with pytest.raises(RuntimeError), in_bfloat16(base):
        raise RuntimeError
    assert "forward" not in vars(base.causal.get_output_embeddings())
    assert all(
        torch.equal(value, before[name]) and value.dtype == before[name].dtype
        for name, value in base.causal.state_dict().items()
    )


def test_in_bfloat16_tokens_are_drawn_from_what_a_training_pass_in_bfloat16_says_of_them(base):
    """Two ways to round that know nothing of each other: their difference is about 1.4 times what one is off by."""
    prompts = [base.encode_prompt(text) for text in PROMPTS]
    rollout = sample(base, prompts, draw_uniforms(0, 0, range(5), LIMIT), bf16=True)
    whole = sample(base, prompts, draw_uniforms(0, 0, range(5), LIMIT))
    assert rollout.logps[0][0] != whole.logps[0][0]
    rounded = [scored(base, prompt, answer, bf16=True) for prompt, answer in zip(prompts, rollout.ids, strict=True)]
    exact = [scored(base, prompt, answer) for prompt, answer in zip(prompts, rollout.ids, strict=True)]
    off, cost = (
        (torch.cat(rounded) - torch.cat(given)).abs() for given in ([torch.tensor(row) for row in rollout.logps], exact)
    )
    assert off.mean() < 2 * cost.mean()


@pytest.mark.parametrize("bf16", [False, True])
def test_a_model_with_a_head_of_its_own_is_sampled_as_it_speaks(base, bf16):
    """Doubled logits are a temperature of one half, whatever `Base.logits` knows of them."""
    prompts, noise = [base.encode_prompt(text) for text in PROMPTS], draw_uniforms(0, 0, range(5), LIMIT)
    expected = sample(base, prompts, noise, temperature=0.5, bf16=bf16)

    def doubled(model, given, reply):
        reply.logits = 2 * reply.logits
        return reply

    hook = base.causal.register_forward_hook(doubled)
    found = sample(base, prompts, noise, bf16=bf16)
    hook.remove()
    assert found.ids == expected.ids


def test_the_bare_base_and_the_policy_answer_differently(base):
    prompts = [base.encode_prompt(text) for text in PROMPTS]
    noise = draw_uniforms(0, 0, range(5), LIMIT)
    bare = generate(base, prompts, noise, max_new_tokens=LIMIT, banned=banned_ids(base))
    assert bare.ids != sample(base, prompts, noise).ids


# ---- what cannot be sampled


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
