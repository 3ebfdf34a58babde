# SPDX-License-Identifier: Apache-2.0
"""A tiny Llama whose weights come from numpy by name, so that two programs build the same one without exchanging it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.support.tiny_model import make_tiny_model

PROMPTS = [
    "Hi.",
    "Name two animals.",
    "Write a short note to Mina.",
    "What is 12 plus 7?",
    "No.",
    "Give three tips.",
    "Sure, thank you.",
    "A fox.",
]
RANK, ALPHA, LENGTH = 2, 4, 16
SETTINGS = {
    "kl_coef": 0.1,
    "cliprange": 0.2,
    "cliprange_value": 0.2,
    "gamma": 0.95,
    "lam": 0.9,
    "temperature": 0.8,
    "missing_eos_penalty": 1.0,
}
SETTINGS |= {"num_ppo_epochs": 3, "learning_rate": 1e-2, "adam_epsilon": 1e-5}


def normal(name: str, shape: Iterable[int], std: float) -> Tensor:
    """Normal numbers that depend on the name alone."""
    drawn = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(tuple(shape))
    return torch.from_numpy((std * drawn).astype(np.float32))


@torch.no_grad()
def fill(tensors: dict[str, Tensor], std: float) -> None:
    """Overwrite matrices by their names; vectors (norms) stay as they are."""
    for name, tensor in tensors.items():
        if tensor.dim() > 1:
            tensor.copy_(normal(name, tensor.shape, std))


def make_base(folder: Path) -> Path:
    """The tiny Llama, with an end token likely enough to end some answers of LENGTH tokens."""
    make_tiny_model("llama", folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    fill(dict(model.named_parameters()), 0.2)
    model.get_output_embeddings().weight.data[model.config.eos_token_id] *= 4
    model.save_pretrained(folder)
    return folder
