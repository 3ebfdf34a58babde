# SPDX-License-Identifier: Apache-2.0
"""Sampling answers: token ids in, token ids out.

A sample is a function of weights, prompt and uniform numbers alone. One number selects a token from the full softmax.
The numbers come from a counter (seed, update, prompt, sample, token): batch, order and process change no sample.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from reward.base.memory import decoding_rows
from reward.base.merging import is_plain, merged_adapter, merges_exactly
from reward.base.patches.cpu_attention import with_fused_attention
from reward.base.patches.module_forward import replaced_forward
from rlhf.sampling.decoding import AnswerTable, decode
from rlhf.sampling.vocabulary import rows_at_once, token_logps


class Rollout(NamedTuple):
    """Sampled answers. `ids` include a drawn end token (`ended`); `logps` are of the sampled distribution."""

    ids: list[list[int]]
    logps: list[list[float]]
    ended: list[bool]


def draw_uniforms(
    seed: int, update: int, indices: Sequence[int] | Sequence[tuple[int, int]], length: int
) -> np.ndarray:
    """Return numbers in [0, 1) for `length` tokens of each row, (B, length) float64: Philox keyed by (seed, update).

    `indices` names the rows: a prompt's index, or (prompt index, sample index). Longer rows begin with shorter ones.
    """
    rows = [(index, 0) if isinstance(index, (int, np.integer)) else index for index in indices]
    streams = (np.random.Philox(key=[seed, update], counter=[0, sample, prompt, 0]) for prompt, sample in rows)
    drawn = [np.random.Generator(stream).random(length) for stream in streams]
    return np.array(drawn).reshape(len(rows), length)


def banned_ids(base: Base) -> list[int]:
    """Return ids that no answer may contain, in ascending order; see `Encoding.banned_ids`."""
    return sorted(base.encoding.banned_ids)


@contextmanager
def in_bfloat16(base: Base) -> Iterator[None]:
    """Run in bfloat16 inside the block, as autocast does in training, with logits in float32.

    Weights are rounded once, not in every pass; afterwards they have their former values.
    """
    modules = [module for name, module in base.causal.base_model.named_modules() if ".lora_" not in name]
    layers = [
        module
        for module in modules
        if isinstance(module, nn.Linear | Conv1D) and is_plain(module) and module.weight.dtype == torch.float32
    ]
    weights = [layer.weight.data for layer in layers]
    head = base.causal.get_output_embeddings()
    assert head is not None, "a causal language model has an output layer"
    head_forward, device, dtype = head.forward, base.device.type, base.causal.dtype

    def in_full(states: Tensor) -> Tensor:
        with torch.autocast(device, enabled=False):
            return head_forward(states.to(dtype))

    try:
        for layer in layers:
            layer.weight.data = layer.weight.data.bfloat16()
        with (
            replaced_forward([head], in_full),
            with_fused_attention(base.causal),
            torch.autocast(device, torch.bfloat16),
        ):
            yield
    finally:
        for layer, weight in zip(layers, weights, strict=True):
            layer.weight.data = weight


@torch.no_grad()
def generate(
    base: Base,
    prompt_ids: list[list[int]],
    uniforms: np.ndarray,
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
    banned: Collection[int] = (),
    batch_size: int = 256,
    bf16: bool = False,
) -> Rollout:
    """Sample an answer of the active role for each prompt, until an end token, `max_new_tokens` or the context ends.

    `uniforms` is (B, >= max_new_tokens). Ids in `banned` have probability 0, also in the returned `logps`. `bf16`: see
    `in_bfloat16`. The model's own generation config is ignored. Raises BadInput for a prompt that leaves no room for an
    answer.
    """
    check_prompts(base, prompt_ids, temperature)
    impossible = torch.tensor(sorted(banned), dtype=torch.long, device=base.device)

    def draw_rows(logits: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        logps = token_logps(logits, temperature, impossible)
        chosen = _inverse_cdf(logps, numbers)
        return chosen, logps.gather(-1, chosen[:, None])[:, 0]

    def draw(logits: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        size = rows_at_once(logits.shape[-1])
        if len(logits) <= size:
            return draw_rows(logits, numbers)
        chosen, logps = zip(*map(draw_rows, logits.split(size), numbers.split(size)), strict=True)
        return torch.cat(chosen), torch.cat(logps)

    table = _table(base, prompt_ids, uniforms[:, :max_new_tokens])
    longest = max(map(len, prompt_ids), default=0) + table.noise.shape[1]
    merged = merged_adapter(base, torch.bfloat16 if bf16 else None) if merges_exactly(base) else nullcontext()
    with merged, in_bfloat16(base) if bf16 else nullcontext():
        decode(base, prompt_ids, table, draw, decoding_rows(base, longest, batch_size))
    ids, logps, lengths = table.ids.tolist(), table.logps.tolist(), table.counts.tolist()
    cut_ids = [row[:length] for row, length in zip(ids, lengths, strict=True)]
    cut_logps = [row[:length] for row, length in zip(logps, lengths, strict=True)]
    return Rollout(cut_ids, cut_logps, table.ended.tolist())


def _table(base: Base, prompts: list[list[int]], noise: np.ndarray) -> AnswerTable:
    room = torch.tensor([min(noise.shape[1], base.context - 1 - len(ids)) for ids in prompts], device=base.device)
    ends = torch.tensor(sorted(base.eos_ids), device=base.device)
    return AnswerTable(torch.from_numpy(np.ascontiguousarray(noise)).to(base.device), room, ends)


def check_prompts(base: Base, prompt_ids: list[list[int]], temperature: float) -> None:
    """Raise BadInput for a temperature that is not positive, and for a prompt that leaves no room for an answer."""
    if not temperature > 0:
        raise bad_input("refused.temperature", field="temperature", temperature=temperature)
    for ids in prompt_ids:
        if not 0 < len(ids) < base.context - 1:  # an answer, and an end token that a reward model may append
            raise bad_input("refused.long_prompt", field="prompt", count=len(ids), context=base.context)


def _inverse_cdf(logps: Tensor, numbers: Tensor) -> Tensor:
    """Return the first token (B,) whose cumulated probability exceeds the row's number; never one of probability 0."""
    cumulated = logps.double().exp_().cumsum_(-1)
    wanted = numbers.clamp(max=1 - 2**-40) * cumulated[:, -1]  # below the sum even after rounding
    return torch.searchsorted(cumulated, wanted[:, None], right=True)[:, 0]
