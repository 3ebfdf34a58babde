# SPDX-License-Identifier: Apache-2.0
"""Log-probabilities in chunks: exact in values and gradients, and no tensor of all answer tokens x vocabulary."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from rlhf.clinic.reading import encode_row, read_rows
from rlhf.ppo.actor_critic import answer_batch
from rlhf.sampling import vocabulary
from rlhf.sampling.policy_answers import AnswerSampler
from rlhf.sampling.sampler import banned_ids, draw_uniforms, generate
from tests.support.ppo_parts import MostRows, actor, tiny_base

PROMPT, ANSWERS = [5, 6, 7, 8], [[9, 10, 11, 12, 13], [14, 15, 16], [17, 18, 19, 20, 21, 22, 23]]
TOKENS = sum(map(len, ANSWERS))


@contextmanager
def chunks_of(monkeypatch, rows, width):
    with monkeypatch.context() as patch:
        patch.setattr(vocabulary, "ELEMENTS", rows * width)
        yield


@pytest.fixture(params=["llama", "gemma2"])  # gemma2 caps its logits
def model(request, tmp_path):
    return actor(tiny_base(request.param, tmp_path), temperature=0.7)


def one_pass(model, weights):
    """Return log-probabilities and the gradients of a weighted sum of them."""
    with model.base.role("policy"):
        logps, _, _ = model(*answer_batch(model.base, [PROMPT] * 3, ANSWERS))
        matrices = model.base.parameters("policy")
        return logps.detach(), torch.autograd.grad((weights * logps).sum(), matrices)


def test_chunks_change_neither_values_nor_gradients(model, monkeypatch):
    weights = torch.randn(TOKENS, generator=torch.Generator().manual_seed(1))
    logps, grads = one_pass(model, weights)
    with chunks_of(monkeypatch, 4, model.base.encoding.rows):
        chunked_logps, chunked_grads = one_pass(model, weights)
    assert (logps - chunked_logps).abs().max() < 1e-6
    for whole, chunked in zip(grads, chunked_grads, strict=True):
        assert (whole - chunked).norm() <= 1e-6 * whole.norm()


def test_chunks_change_no_entropy(model, monkeypatch):
    batch = answer_batch(model.base, [PROMPT] * 3, ANSWERS)
    with torch.no_grad(), model.base.role("policy"):
        whole = model(*batch)[2]
        with chunks_of(monkeypatch, 4, model.base.encoding.rows):
            assert torch.allclose(model(*batch)[2], whole, atol=1e-6, rtol=0)


def test_a_training_pass_makes_no_tensor_of_all_tokens_by_the_vocabulary(model, monkeypatch):
    width, hidden = model.base.encoding.rows, model.base.hidden_size
    with MostRows(width, hidden) as whole:
        one_pass(model, torch.ones(TOKENS))
    assert whole.rows == TOKENS
    with chunks_of(monkeypatch, 4, width), MostRows(width, hidden) as chunked:
        one_pass(model, torch.ones(TOKENS))
    assert chunked.rows == 4


def test_sampling_comparing_and_the_clinic_use_chunks_too(tmp_path, monkeypatch):
    base = tiny_base("llama", tmp_path)
    width, prompts = base.encoding.rows, [PROMPT] * 6
    sampler = AnswerSampler(None, base, None)
    rows = [encode_row(base, "Name two animals.", "", "A fox and a cat, a dog and a bird.")]

    def results():
        drawn = generate(base, prompts, draw_uniforms(0, 0, range(6), 8), max_new_tokens=8, banned=banned_ids(base))
        reading = read_rows(base, rows, 4, lambda done: None)
        return drawn, sampler.logps(prompts[:3], ANSWERS), reading.losses

    drawn, sums, losses = results()
    monkeypatch.setattr(vocabulary, "ELEMENTS", 2 * width)
    seen = []
    monkeypatch.setattr(torch.Tensor, "log_softmax", lambda x, dim: (seen.append(len(x)), torch.log_softmax(x, dim))[1])
    chunked_drawn, chunked_sums, chunked_losses = results()
    assert max(seen) == 2
    assert chunked_drawn == drawn
    assert np.allclose(chunked_sums, sums, atol=1e-5)
    assert np.allclose(chunked_losses, losses, atol=1e-6)


def test_a_small_vocabulary_is_one_chunk():
    """The starter's passes, of at most 64 answers of 80 tokens, stay bit for bit what they are."""
    assert vocabulary.rows_at_once(2048) >= 64 * 80
    assert vocabulary.rows_at_once(151_936) * 151_936 <= vocabulary.ELEMENTS
