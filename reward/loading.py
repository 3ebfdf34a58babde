"""Read a causal language model and its tokenizer from disk: safetensors only, no remote code, no network."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TypeVar

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from data.errors import BadInput

STARTER = Path(__file__).resolve().parents[1] / "data" / "starter" / "base"
LOCAL = {"local_files_only": True, "trust_remote_code": False}
Loaded = TypeVar("Loaded")


def locate(source: str | Path) -> str:
    """The folder of a base model, or the id of a hub model that was downloaded before. Raises BadInput."""
    if source == "starter":
        return str(_folder(STARTER, "Build it with `python -m rlhf.starter`."))
    path = Path(source).expanduser()
    if path.is_dir():
        return str(_folder(path.resolve(), "Give a folder with config.json, the tokenizer and *.safetensors weights."))
    if path.is_absolute() or len(path.parts) > 2 or str(source).startswith((".", "~")):
        raise BadInput(error=f"no model folder {str(source)!r}", remedy="Check the path of the base model.")
    return str(source)


def load_causal(source: str | Path, dtype: torch.dtype) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model (eval mode, frozen) and its tokenizer. Raises BadInput where the folder holds no such model."""
    name = locate(source)
    transformers_logging.disable_progress_bar()
    model = _load(AutoModelForCausalLM, name, dtype=dtype, use_safetensors=True)
    tokenizer = _load(AutoTokenizer, name)
    return model.eval().requires_grad_(False), tokenizer


def weights_hash(model: PreTrainedModel) -> str:
    """A hash of every tensor's name, shape and first numbers, rounded to bfloat16 so that it survives a dtype."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        head = tensor.flatten()[:8].to("cpu", torch.bfloat16).float()
        digest.update(f"{name} {tuple(tensor.shape)} {head.tolist()}".encode())
    return digest.hexdigest()[:16]


def _folder(path: Path, remedy: str) -> Path:
    if not (path / "config.json").is_file():
        raise BadInput(error=f"{str(path)!r} holds no model (no config.json)", remedy=remedy)
    return path


def _load(kind: type[Loaded], name: str, **options: object) -> Loaded:
    try:
        return kind.from_pretrained(name, **LOCAL, **options)
    except Exception as problem:  # transformers, tokenizers and safetensors raise a dozen unrelated types here
        reason = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        raise BadInput(
            error=f"cannot load a language model from {name!r}: {reason[:200]}",
            remedy="Give a folder with config.json, the tokenizer and *.safetensors weights, or download the model first.",
        ) from problem
