# SPDX-License-Identifier: Apache-2.0
"""Log-probabilities and entropies over the vocabulary, in chunks: no tensor of all answer tokens x vocabulary exists.

A chunk has at most ELEMENTS logits. With gradients, the backward pass computes each chunk again instead of keeping it.
TRL's fused LM head has no ids of probability 0, which sampling needs.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from reward.base.frozen_base import Base
from reward.base.memory import ELEMENTS


def token_logps(logits: Tensor, temperature: float, banned: Collection[int] | Tensor) -> Tensor:
    """Return log-probabilities (..., V), float32, of the full softmax at that temperature; `banned` ids have none."""
    logits = logits.float() if temperature == 1 else logits.float() / temperature
    if len(banned):
        ids = banned if isinstance(banned, Tensor) else torch.tensor(list(banned), device=logits.device)
        logits = logits.index_fill(-1, ids, float("-inf"))
    return logits.log_softmax(-1)


def entropy(logps: Tensor) -> Tensor:
    """Return the entropy (...) in nats of log-probabilities (..., V); impossible tokens count 0."""
    return -(logps.exp() * logps.masked_fill(logps == float("-inf"), 0.0)).sum(-1)


def rows_at_once(vocabulary: int) -> int:
    """Return how many rows of that many logits make a chunk."""
    return max(1, ELEMENTS // vocabulary)


def action_scores(
    base: Base,
    states: Tensor,
    actions: Tensor,
    temperature: float = 1.0,
    banned: Collection[int] = (),
    with_entropies: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Return log-probabilities (N,) of the tokens `actions` (N,) after the states (N, D), and entropies if asked for.

    Both are float32.
    """
    ids = torch.tensor(sorted(banned), dtype=torch.long, device=states.device)
    size = rows_at_once(base.encoding.rows)

    def score(states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor | None]:
        logps = token_logps(base.logits(states), temperature, ids)
        return logps.gather(-1, actions[:, None])[:, 0], entropy(logps) if with_entropies else None

    if len(states) <= size:
        return score(states, actions)
    parts = [
        checkpoint(score, *part, use_reentrant=False, preserve_rng_state=False)
        for part in zip(states.split(size), actions.split(size), strict=True)
    ]
    logps, entropies = zip(*parts, strict=True)
    return torch.cat(logps), torch.cat(entropies) if with_entropies else None
