# SPDX-License-Identifier: Apache-2.0
"""The shapes that `make gpu` measures: random weights in public shapes, with a tokenizer that is built here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from tests.support.tiny_model import CHAT_TEMPLATE, END, PAD, make_tiny_tokenizer

SMALL_WIDTH = {"hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8}
LARGE_WIDTH = {"hidden_size": 4096, "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8}
QWEN3 = {"head_dim": 128, "vocab_size": 151_936, "max_position_embeddings": 4096}
SHAPES: dict[str, dict] = {
    "qwen3-0.6b": QWEN3 | SMALL_WIDTH | {"intermediate_size": 3072, "tie_word_embeddings": True},
    "qwen3-8b": QWEN3 | LARGE_WIDTH | {"intermediate_size": 12_288, "tie_word_embeddings": False},
    "tiny": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "intermediate_size": 64,
        "vocab_size": 400,
        "max_position_embeddings": 256,
    },
}


@dataclass(frozen=True)
class Scale:
    """Sizes of a measurement. All rows are of one length, so tokens are known and nothing is padded.

    `batch`: rows of an optimizer step, pairs for reward training and DPO. `rollout`: answers of a PPO update, or of a
    GRPO or RLOO step; each is trained on in `epochs` passes. The first `warm` steps or updates are not timed.
    `checkpointing`: activations are computed again in the backward pass, on both sides.
    """

    prompt: int = 64
    answer: int = 192
    batch: int = 8
    steps: int = 4
    warm: int = 1
    sampled: int = 64
    rollout: int = 32
    generations: int = 4
    epochs: int = 2
    updates: int = 2
    rank: int = 16
    checkpointing: bool = False


@dataclass(frozen=True)
class Case:
    """One measurement: what is measured, by which side, on which shape in which precision."""

    shape: str
    precision: str
    measurement: str
    side: str
    scale: Scale = field(default_factory=Scale)


TINY = Scale(prompt=8, answer=6, batch=2, steps=2, sampled=4, rollout=4, generations=2, updates=2, rank=2)


def build_model(shape: str, folder: Path, dtype: torch.dtype, device: str, sizes: dict | None = None) -> None:
    """Save a random model of that shape, or of those sizes, made on the device, and its tokenizer."""
    sizes = sizes or SHAPES[shape]
    tokenizer = build_tokenizer(sizes["vocab_size"])
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    config = AutoConfig.for_model("qwen3", **sizes, **ids, dtype=dtype)
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def build_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """Return a byte-level tokenizer of that size; words without merges fill it, so that every id has a text."""
    small = make_tiny_tokenizer()
    parts = json.loads(small.backend_tokenizer.to_str())
    words: Mapping[str, int] = parts["model"]["vocab"]
    parts["model"]["vocab"] = dict(words) | {f"Ġw{number}": number for number in range(len(words), vocabulary)}
    fast = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(parts)), eos_token=END, pad_token=PAD)
    fast.chat_template = CHAT_TEMPLATE
    return fast
