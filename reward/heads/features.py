# SPDX-License-Identifier: Apache-2.0
"""The features that heads read: hidden states of the bare base, which no training changes.

One state at the answer's end says little with few labels. The means over the answer, of the last and of a middle layer,
hold what the answer is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from reward.base.architecture import decoder_layers
from reward.base.frozen_base import Base
from reward.base.memory import reading_passes


@torch.no_grad()
def read_features(base: Base, ids: Tensor, mask: Tensor, starts: Sequence[int]) -> Tensor:
    """Return the features (B, F) of right-padded rows (B, T) in float32, on the base's device.

    `starts` are the positions at which the answers begin. A row has the last state at its last token, the mean of the
    last states over its answer, and that of the states in the middle of the model, if its layers are a single list.
    """
    with base.role(None), _middle_states(base) as middle:
        last = base.hidden(ids, mask, right_padded=True)
    steps = torch.arange(ids.shape[1], device=ids.device)
    answers = mask & (steps >= torch.tensor(starts, device=ids.device)[:, None])
    ends = mask.sum(dim=1) - 1
    at_end = last[torch.arange(len(ids), device=ids.device), ends].float()
    return torch.cat([at_end, *(_mean(states, answers) for states in (last, *middle))], dim=1)


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean (B, D) in float32 of the states (B, T, D) where the mask (B, T) is True."""
    real = torch.where(mask[..., None], states.float(), 0.0)  # the others may be anything
    return real.sum(dim=1) / mask.sum(dim=1, keepdim=True)


def answer_features(
    base: Base, prompts: Sequence[list[int]], answers: Sequence[list[int]], seen: Callable[[int], None] = lambda _: None
) -> Tensor:
    """Return the features (N, F) of answers with their end tokens, on the CPU. `seen` gets the number read so far."""
    rows = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
    order, parts = [], []
    for numbers in reading_passes(base, [len(row) for row in rows]):
        ids, mask = base.collate([rows[number] for number in numbers])
        parts.append(read_features(base, ids, mask, [len(prompts[number]) for number in numbers]).cpu())
        order += numbers
        seen(len(order))
    features = torch.cat(parts)
    return torch.empty_like(features).index_copy_(0, torch.tensor(order), features)


@contextmanager
def _middle_states(base: Base) -> Iterator[list[Tensor]]:
    """Collect the output of the middle layer of the passes inside the block."""
    layers, states = decoder_layers(base.causal), []

    def keep(layer: nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
        states.append(output[0] if isinstance(output, tuple) else output)

    hooks = [layers[len(layers) // 2 - 1].register_forward_hook(keep)] if len(layers) > 1 else []
    try:
        yield states
    finally:
        for hook in hooks:
            hook.remove()
