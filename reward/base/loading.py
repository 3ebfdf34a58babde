# SPDX-License-Identifier: Apache-2.0
"""Read a causal language model and its tokenizer from disk: safetensors only, no remote code, no network."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from labeling.texts.pages import bad_input
from reward.base import distributed
from reward.base.architecture import trunk_name
from reward.base.locate import locate
from reward.base.patches.expert_patterns import ignore_expert_patterns
from reward.base.patches.sharded_reading import prepared_by
from reward.base.placement import Placement
from reward.base.sharding import is_sharded, shard_before_reading

LOCAL = {"local_files_only": True, "trust_remote_code": False}
FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def load_causal(source: str | Path, placement: Placement | None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the model (eval mode, frozen) and its tokenizer; None loads the weights as they are stored, on the CPU.

    Raises BadInput if the folder holds no such model, if tensors are missing, or if a weight is not finite.
    """
    name = locate(source)
    transformers_logging.disable_progress_bar()
    ignore_expert_patterns()
    arguments: dict[str, Any] = {"dtype": "auto"} if placement is None else placement.load_arguments()
    if placement is not None:
        placement.prepare_torch()
    with _load_errors(name), _read_by_parts(placement) as options:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            name, use_safetensors=True, output_loading_info=True, **arguments, **options, **LOCAL
        )
    model, report = loaded
    assert isinstance(model, PreTrainedModel), "the auto class returns a model"
    check_weights(name, model, report["missing_keys"])
    if model.base_model is model:  # Llama 4's text model names a part that it does not have
        model.base_model_prefix = trunk_name(model)
    model.eval().requires_grad_(False)
    return model, load_tokenizer(source)


def load_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a model's folder. Raises BadInput if there is none."""
    name = locate(source)
    with _load_errors(name):
        tokenizer = AutoTokenizer.from_pretrained(name, **LOCAL)
    assert isinstance(tokenizer, PreTrainedTokenizerBase), "the auto class returns a tokenizer"
    return tokenizer


def check_weights(name: str, model: PreTrainedModel, missing: Collection[str]) -> None:
    """Raise BadInput naming tensors that the files lack, or that hold NaN or infinity.

    transformers fills a missing tensor with random numbers.
    """
    if missing:
        raise bad_input("refused.weights_lack", name=name, tensors=_name_some(missing))
    bad = {key for key, tensor in model.named_parameters() if not _is_finite(tensor)}
    if is_sharded(model):
        bad = set().union(*distributed.all_gather(bad))
    if bad:
        raise bad_input("refused.weights_nan", name=name, tensors=_name_some(bad))


def _is_finite(tensor: torch.Tensor) -> bool:
    """Return whether a float tensor is finite. A finite sum proves it without a copy; other sums need a closer look."""
    tensor = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    if tensor.is_meta or tensor.dtype not in FLOATS:
        return True
    return bool(tensor.sum(dtype=torch.float32).isfinite()) or bool(tensor.isfinite().all())


def _read_by_parts(placement: Placement | None) -> AbstractContextManager[dict[str, Any]]:
    """Return a block in which each process reads its part of the layers, with the arguments for it, if so placed."""
    if placement is None or not placement.sharded or distributed.world_size() == 1:
        return nullcontext({})
    return prepared_by(lambda model: shard_before_reading(model, placement.device))


def _name_some(names: Collection[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(sorted(names)[:most]) + more


@contextmanager
def _load_errors(name: str) -> Iterator[None]:
    """Raise BadInput for whatever the libraries raise inside the block."""
    try:
        yield
    except Exception as problem:  # transformers, tokenizers and safetensors raise a dozen unrelated types here
        reason = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        raise bad_input("refused.base_load", name=name, reason=reason[:200]) from problem
