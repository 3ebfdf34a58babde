# SPDX-License-Identifier: Apache-2.0
"""Decoding in one batch: free rows, shared prompts, and the context limit."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from reward.base.frozen_base import Base
from rlhf.sampling.sampler import banned_ids, draw_uniforms, generate
from tests.support.sampled_answers import LIMIT, PROMPTS, base_with_policy
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(params=["llama", "gpt2"])
def base(request, tmp_path):
    return base_with_policy(request.param, tmp_path)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "gemma", "gemma2"])
@pytest.mark.parametrize("batch_size", [2, 8])
def test_greedy_answers_equal_those_of_transformers_generate(kind, batch_size, tmp_path):
    """Answers of uneven length, in rows that are taken over and rows that leave; the window of gemma2 is 8 tokens."""
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
    """Return answer lengths, shapes (rows, tokens) of the forward passes, and the prompt length.

    Noise of 0 draws the first id, which is the end token.
    """
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


def test_a_waiting_prompt_takes_over_the_row_of_a_complete_answer(base):
    noise = np.full((3, 50), 0.5)
    noise[[0, 1, 2], [4, 1, 7]] = 0.0  # answers of 5, 2 and 8 tokens; the last of the list begin
    lengths, shapes, width = forwards(base, noise, batch_size=2)
    assert lengths == [5, 2, 8]
    # tokens 1 and 2 of two rows; one ends, the third is read; then its tokens 2 to 5 beside 3 to 6, and 7 and 8 alone
    assert shapes == [(1, width), (2, 1), (1, width), *[(2, 1)] * 4, *[(1, 1)] * 2]


def test_a_prompt_with_several_answers_is_read_once(base):
    noise = np.full((4, 50), 0.5)
    noise[:, 2] = 0.0
    lengths, shapes, width = forwards(base, noise)
    assert lengths == [3] * 4
    assert shapes == [(1, width), (4, 1), (4, 1)]


def test_a_complete_row_stays_inside_the_context(base):
    """A complete row stays in the batch for a while; learned positions end with the context."""
    prompts = [[5] * 250, *[[5] * 3] * 9]
    noise = draw_uniforms(0, 0, range(10), LIMIT)
    with base.role("policy"):
        rollout = generate(base, prompts, noise, max_new_tokens=LIMIT, banned=[*banned_ids(base), *base.eos_ids])
    assert [len(answer) for answer in rollout.ids] == [5] + [LIMIT] * 9
