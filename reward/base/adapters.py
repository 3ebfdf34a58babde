# SPDX-License-Identifier: Apache-2.0
"""LoRA adapters as folders in PEFT's format, and as one adapter stacked from two."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import torch
from peft import LoraConfig
from peft.utils import load_peft_weights
from safetensors import SafetensorError
from safetensors.torch import save_file

from data.errors import BadInput

Weights = dict[str, torch.Tensor]
HEAD = "base_model.model.score.weight"
DEFAULT_RANK = 16


def default_lora(rank: int = DEFAULT_RANK) -> LoraConfig:
    """LoRA on all linear layers with alpha = 2 rank and no dropout."""
    return LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear")


def read_adapter(folder: Path | str) -> tuple[LoraConfig, Weights]:
    """Return configuration and tensors of a LoRA folder. Raises BadInput for anything else."""
    folder = Path(folder)
    if not (folder / "adapter_config.json").is_file():
        raise BadInput(error=f"no adapter in {str(folder)!r} (no adapter_config.json)", remedy="Give a PEFT folder.")
    kind = json.loads((folder / "adapter_config.json").read_text()).get("peft_type")
    if kind != "LORA":
        raise BadInput(error=f"the adapter in {str(folder)!r} is {kind!r}", remedy="Only LoRA adapters can be loaded.")
    if not (folder / "adapter_model.safetensors").is_file():
        raise BadInput(error=f"no adapter_model.safetensors in {str(folder)!r}", remedy="Save it as safetensors.")
    try:
        return LoraConfig.from_pretrained(str(folder)), load_peft_weights(str(folder), device="cpu")
    except (SafetensorError, ValueError, TypeError) as problem:
        raise BadInput(
            error=f"cannot read the adapter in {str(folder)!r}: {problem}", remedy="Save it again."
        ) from problem


def write_adapter(folder: Path | str, config: LoraConfig, weights: Weights) -> None:
    """Save tensors and configuration so that `PeftModel.from_pretrained(base, folder)` reads them back."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    config.save_pretrained(str(folder))
    tensors = {name: tensor.detach().to("cpu").contiguous() for name, tensor in weights.items()}
    save_file(tensors, str(Path(folder) / "adapter_model.safetensors"), metadata={"format": "pt"})


def as_causal(config: LoraConfig, path: Path | str | None) -> LoraConfig:
    """Return a copy of the LoRA for a causal LM: a reward adapter's head is not part of it, dropout is off.

    `path` is where it is loaded from.

    Raises BadInput for what is more than LoRA matrices, and for a fresh adapter that does not start at 0.
    """
    if set(config.modules_to_save or ()) - {"score", "classifier"}:
        raise BadInput(
            error=f"the adapter in {str(path)!r} also replaces {sorted(config.modules_to_save)}",
            remedy="Only adapters made of LoRA matrices can share a base model; merge this one into a base of its own.",
        )
    wrong = None
    if config.bias != "none" or config.lora_bias:
        wrong = f"bias={config.bias!r} and lora_bias={config.lora_bias} train biases, which all roles of a base share"
    elif path is None and config.init_lora_weights not in (True, "gaussian"):
        wrong = f"with init_lora_weights={config.init_lora_weights!r} a fresh adapter does not start as its base"
    if wrong:
        raise BadInput(
            wrong, "Give a LoraConfig without it, or merge the adapter into a base of its own", field="peft_config"
        )
    config = copy.copy(config)
    config.task_type, config.modules_to_save, config.lora_dropout = "CAUSAL_LM", None, 0.0
    config.inference_mode = False
    config.init_lora_weights = (
        config.init_lora_weights if path is None else True
    )  # what is loaded needs no start, and PiSSA's changes the base
    return config


def stack(first: tuple[LoraConfig, Weights], second: tuple[LoraConfig, Weights]) -> tuple[LoraConfig, Weights]:
    """One adapter that does what both do together: B1 A1 s1 + B2 A2 s2 = [s1 B1, s2 B2] [A1; A2].

    Modules that only one of them changes keep zeros for the other; the second's configuration and head remain.
    """
    for config, _ in (first, second):
        if config.rank_pattern or config.alpha_pattern or config.use_dora:
            raise BadInput(
                error="the adapter has ranks of its own per layer, or is DoRA", remedy="Merge it into its base."
            )
    config = copy.copy(second[0])
    config.r = config.lora_alpha = first[0].r + second[0].r
    config.use_rslora = False
    config.target_modules = {
        name.split(".lora_")[0].removeprefix("base_model.model.") for name in _lora(first) | _lora(second)
    }
    weights = {name: tensor for name, tensor in second[1].items() if ".lora_" not in name}
    for name in sorted(_lora(first) | _lora(second)):
        if ".lora_A." in name:
            partner = name.replace(".lora_A.", ".lora_B.")
            weights[name], weights[partner] = _stacked(first, second, name, partner)
    return config, weights


def _stacked(
    first: tuple[LoraConfig, Weights], second: tuple[LoraConfig, Weights], name: str, partner: str
) -> tuple[torch.Tensor, torch.Tensor]:
    known = first if name in first[1] else second
    downs, ups = [], []
    for config, weights in (first, second):
        scaling = config.lora_alpha / (math.sqrt(config.r) if config.use_rslora else config.r)
        downs.append(weights[name] if name in weights else torch.zeros(config.r, known[1][name].shape[1]))
        ups.append(scaling * weights[partner] if name in weights else torch.zeros(known[1][partner].shape[0], config.r))
    return torch.cat(downs, dim=0), torch.cat(ups, dim=1)


def _lora(adapter: tuple[LoraConfig, Weights]) -> set[str]:
    return {name for name in adapter[1] if ".lora_" in name}
