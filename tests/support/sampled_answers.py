# SPDX-License-Identifier: Apache-2.0
"""Prompts, answers of the adapter "policy", and their log-probabilities by a plain forward pass."""

from __future__ import annotations

from pathlib import Path

import torch

from reward.base.frozen_base import Base
from rlhf.sampling.sampler import banned_ids, generate
from rlhf.sampling.vocabulary import token_logps
from tests.support.tiny_model import make_tiny_model

PROMPTS = [
    "Hi.",
    "Write a short thank-you note to Mina for the book.",
    "What is 12 plus 7?",
    "Name two animals.",
    "No.",
]


LIMIT = 24


def base_with_policy(kind: str, folder: Path) -> Base:
    """Return a tiny base with an adapter "policy" that changes its answers."""
    base = Base.load(make_tiny_model(kind, folder))
    base.add_adapter("policy", trainable=True)
    torch.manual_seed(1)
    for matrix in base.parameters("policy"):
        torch.nn.init.normal_(matrix, std=0.1)
    return base


def sample(base, prompts, noise, **options):
    """Sample answers of the policy."""
    with base.role("policy"):
        return generate(base, prompts, noise, max_new_tokens=LIMIT, banned=banned_ids(base), **options)


@torch.no_grad()
def plain_logps(base, prompt, answer, temperature=1.0, bf16=False):
    """Return the log-probabilities of one unpadded answer by a plain forward pass."""
    ids, mask = base.collate([prompt + answer])
    with base.role("policy"), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        states = base.hidden(ids, mask)
    logits = base.logits(states.float())[0, len(prompt) - 1 : -1]
    return token_logps(logits, temperature, banned_ids(base)).gather(-1, torch.tensor(answer)[:, None])[:, 0]
