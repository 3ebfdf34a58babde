# SPDX-License-Identifier: Apache-2.0
"""Read a causal language model and its tokenizer from disk: safetensors only, no remote code, no network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from data.errors import BadInput
from reward.base.locate import locate
from reward.base.placement import Placement

LOCAL = {"local_files_only": True, "trust_remote_code": False}


def load_causal(source: str | Path, placement: Placement | None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the model (eval mode, frozen) and its tokenizer; None loads the weights as they are stored, on the CPU.

    Raises BadInput if the folder holds no such model.
    """
    name = locate(source)
    transformers_logging.disable_progress_bar()
    arguments: dict[str, Any] = {"dtype": "auto"} if placement is None else placement.load_arguments()
    if placement is not None:
        placement.prepare_torch()
    with _load_errors(name):
        model = AutoModelForCausalLM.from_pretrained(name, use_safetensors=True, **arguments, **LOCAL)
    assert isinstance(model, PreTrainedModel), "the auto class returns a model"
    model.eval().requires_grad_(False)
    return model, load_tokenizer(source)


def load_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a model's folder. Raises BadInput if there is none."""
    name = locate(source)
    with _load_errors(name):
        tokenizer = AutoTokenizer.from_pretrained(name, **LOCAL)
    assert isinstance(tokenizer, PreTrainedTokenizerBase), "the auto class returns a tokenizer"
    return tokenizer


@contextmanager
def _load_errors(name: str) -> Iterator[None]:
    """Raise BadInput for whatever the libraries raise inside the block."""
    try:
        yield
    except Exception as problem:  # transformers, tokenizers and safetensors raise a dozen unrelated types here
        reason = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        raise BadInput(
            error=f"cannot load a language model from {name!r}: {reason[:200]}",
            remedy="Give a folder with config.json, the tokenizer and *.safetensors weights, or download the model.",
        ) from problem
