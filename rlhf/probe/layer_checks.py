# SPDX-License-Identifier: Apache-2.0
"""Checks of the layers on a few tokens: logits, sampling, LoRA, merging, and the pass of a reward model.

The model is in memory once. A check that merges takes one layer of each kind, so the copies stay small.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor

from data.errors import BadInput
from reward.base.frozen_base import Base
from reward.base.merging import SPREAD, merged_difference
from reward.base.patches.lora_forward import set_active_adapters
from rlhf.probe.document import Line
from rlhf.sampling.sampler import banned_ids, draw_uniforms, generate, token_logps

ROLE = "check"
PROMPTS = ("Name two animals.", "Write a short thank-you note to Mina for the book, please, and say when you come.")
LONGEST, NEW_TOKENS = 64, 8
"""Tokens of a prompt, and of a sampled answer."""
TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.03, torch.bfloat16: 0.1}
"""Largest difference relative to the largest value, by the precision of the weights."""
NATS = {torch.float32: 0.01, torch.float16: 0.2, torch.bfloat16: 1.0}
"""Largest difference of a sampled token's log-probability; in bfloat16 an expert's choice can flip."""
ANOTHER = "Take another base."


def check_logits(base: Base) -> Line:
    """Compare `Base.logits` on `Base.hidden` with the model's own forward. Raises BadInput if they differ."""
    ids, mask = base.collate(probe_prompts(base)[-1:])
    with torch.no_grad(), base.role(None):
        expected = base.causal(input_ids=ids, use_cache=False).logits.float()
        ours = base.logits(base.hidden(ids, mask))
    share = _difference(expected, ours)
    if not share <= _tolerance(base, TOLERANCE):
        raise BadInput(
            f"logits from the last hidden states differ from the model's own by {share:.2g} of the largest",
            f"PPO cannot train this class of model. {ANOTHER}",
        )
    return Line("logits", "ok", f"largest difference from the model's own {share:.1e}")


@torch.no_grad()
def check_sampling(base: Base) -> Line:
    """Sample short answers in one padded batch with a cache, and compare with plain passes without either."""
    prompts, banned = probe_prompts(base), banned_ids(base)
    noise = draw_uniforms(0, 0, range(len(prompts)), NEW_TOKENS)
    with base.role(None):
        rollout = generate(base, prompts, noise, max_new_tokens=NEW_TOKENS, banned=banned)
        worst = 0.0
        for prompt, answer, sampled in zip(prompts, rollout.ids, rollout.logps, strict=True):
            ids = torch.tensor([[*prompt, *answer]], device=base.device)
            logits = base.causal(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1]
            plain = token_logps(logits, 1.0, banned).gather(-1, ids[0, len(prompt) :, None])[:, 0]
            worst = max(worst, float((plain.cpu() - torch.tensor(sampled)).abs().max()))
    if not worst <= _tolerance(base, NATS):
        raise BadInput(
            f"log-probabilities of sampled tokens differ from a plain forward pass by {worst:.2g} nats",
            f"Its cache or its padding is not exact. {ANOTHER}",
        )
    return Line("sampling", "ok", f"{NEW_TOKENS} tokens, largest difference from a plain pass {worst:.1e} nats")


def check_lora(base: Base) -> Line:
    """Add the adapter that training uses. Raises BadInput if PEFT refuses a layer."""
    base.add_adapter(ROLE, trainable=True)
    generator = torch.Generator().manual_seed(0)
    trained = base.parameters(ROLE)
    kinds = representatives(base)
    for layer in _lora_layers(base).values():
        for matrix in layer.lora_B[ROLE].parameters():
            matrix.data.copy_(torch.randn(matrix.shape, generator=generator) * SPREAD)
    total = sum(parameter.numel() for parameter in base.causal.parameters())
    share = sum(matrix.numel() for matrix in trained) / total
    return Line("LoRA", "ok", f"{len(trained) // 2} layers ({', '.join(sorted(kinds))}), {share:.1%} trainable")


@torch.no_grad()
def check_merging(base: Base) -> Line:
    """Compare the adapter merged and unmerged on one layer of each kind. Raises BadInput naming those that differ."""
    kinds = representatives(base)
    worst = _merging_difference(base, list(kinds.values()))
    if not worst <= _tolerance(base, TOLERANCE):
        each = {kind: _merging_difference(base, [layer]) for kind, layer in kinds.items()}
        wrong = sorted(kind for kind, share in each.items() if not share <= _tolerance(base, TOLERANCE))
        raise BadInput(
            f"LoRA on {', '.join(wrong)} acts otherwise when merged: states differ by {worst:.2g} of the largest",
            f"Sampling merges adapters, so training would see another model. {ANOTHER}",
        )
    return Line("merging", "ok", f"largest difference of merged and unmerged {worst:.1e}")


def check_reward_head(base: Base) -> Line:
    """Score two rows by a vector on the last states, backward. Raises BadInput for gradients that are not finite."""
    rows = probe_prompts(base)
    ids, mask = base.collate(rows)
    head = torch.randn(base.hidden_size, generator=torch.Generator().manual_seed(0)).to(base.device)
    with base.role(ROLE):
        states = base.hidden(ids, mask)
        last = torch.tensor([len(row) - 1 for row in rows], device=base.device)
        (states[torch.arange(len(rows), device=base.device), last].float() @ head).sum().backward()
    named = {name: list(layer.lora_A[ROLE].parameters()) for name, layer in _lora_layers(base).items()}
    untouched = sorted({_kind(name) for name, own in named.items() for matrix in own if matrix.grad is None})
    bad = [
        name for name, own in named.items() for matrix in own if matrix.grad is not None and not _finite(matrix.grad)
    ]
    if bad:
        raise BadInput(f"the gradient of {bad[0]} is not finite ({len(bad)} such layers)", ANOTHER)
    if untouched:
        return Line("reward head", "note", f"no gradient reaches LoRA on some {', '.join(untouched)} in this pass")
    return Line("reward head", "ok", f"finite gradients in {len(named)} layers")


def probe_prompts(base: Base) -> list[list[int]]:
    """Return two prompts of different length as ids, cut to a few tokens and to half of the context."""
    most = max(2, min(LONGEST, base.context // 2))
    return [base.encoding.encode_template(prompt)[-most:] for prompt in PROMPTS]


def representatives(base: Base) -> dict[str, LoraLayer]:
    """Return the first LoRA layer of each kind, by the last part of its name."""
    found: dict[str, LoraLayer] = {}
    for name, layer in _lora_layers(base).items():
        found.setdefault(_kind(name), layer)
    return found


def _lora_layers(base: Base) -> dict[str, LoraLayer]:
    return {
        name: layer
        for name, layer in base.causal.named_modules()
        if isinstance(layer, LoraLayer) and ROLE in layer.lora_A
    }


def _kind(name: str) -> str:
    return name.rpartition(".")[2]


def _merging_difference(base: Base, layers: Sequence[LoraLayer]) -> float:
    """Return the relative difference of the last states with the adapter on these layers only."""
    with _adapter_on(base, layers):
        return merged_difference(base)


@contextmanager
def _adapter_on(base: Base, layers: Sequence[LoraLayer]) -> Iterator[None]:
    with base.role(ROLE):
        for layer in _lora_layers(base).values():
            if all(layer is not chosen for chosen in layers):
                set_active_adapters(layer, [])
        yield


def _difference(expected: Tensor, ours: Tensor) -> float:
    return float((expected.float() - ours.float()).abs().max() / expected.float().abs().max())


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.isfinite().all())


def _tolerance(base: Base, by_dtype: dict[torch.dtype, float]) -> float:
    return by_dtype.get(base.causal.dtype, by_dtype[torch.bfloat16])
