# SPDX-License-Identifier: Apache-2.0
"""LoRA adapters as folders in PEFT's format."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import torch
from peft import LoraConfig
from peft.utils import load_peft_weights
from safetensors import SafetensorError
from safetensors.torch import save_file

from data.errors import BadInput

Weights = dict[str, torch.Tensor]
Adapter = tuple[LoraConfig, Weights]
HEAD = "base_model.model.score.weight"


def read_adapter(folder: Path | str) -> Adapter:
    """Return the configuration and the tensors of a LoRA folder. Raises BadInput for anything else."""
    folder = Path(folder)
    if not (folder / "adapter_config.json").is_file():
        raise BadInput(error=f"no adapter in {str(folder)!r} (no adapter_config.json)", remedy="Give a PEFT folder.")
    kind = json.loads((folder / "adapter_config.json").read_text()).get("peft_type")
    if kind != "LORA":
        raise BadInput(error=f"the adapter in {str(folder)!r} is {kind!r}", remedy="Only LoRA adapters can be loaded.")
    if not (folder / "adapter_model.safetensors").is_file():
        raise BadInput(error=f"no adapter_model.safetensors in {str(folder)!r}", remedy="Save it as safetensors.")
    try:
        config = LoraConfig.from_pretrained(str(folder))
        weights = load_peft_weights(str(folder), device="cpu")
    except (SafetensorError, ValueError, TypeError) as problem:
        raise BadInput(
            error=f"cannot read the adapter in {str(folder)!r}: {problem}", remedy="Save it again."
        ) from problem
    assert isinstance(config, LoraConfig), "peft_type LORA is read as a LoraConfig"
    return config, weights


def write_adapter(folder: Path | str, config: LoraConfig, weights: Weights) -> None:
    """Save tensors and configuration so that `PeftModel.from_pretrained(base, folder)` reads them."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    config.save_pretrained(str(folder))
    tensors = {name: tensor.detach().to("cpu").contiguous() for name, tensor in weights.items()}
    save_file(tensors, str(Path(folder) / "adapter_model.safetensors"), metadata={"format": "pt"})


def as_causal(config: LoraConfig, path: Path | str | None) -> LoraConfig:
    """Return a copy of the configuration for a causal LM: without a reward adapter's head, without dropout.

    `path` is the folder of the adapter, None for a fresh one. Raises BadInput if the adapter is more than LoRA
    matrices, or if a fresh adapter would not start as the bare base.
    """
    replaced = set(config.modules_to_save or ())
    if replaced - {"score", "classifier"}:
        raise BadInput(
            error=f"the adapter in {str(path)!r} also replaces {sorted(replaced)}",
            remedy="Only adapters made of LoRA matrices can share a base model; merge this one into a base of its own.",
        )
    problem = None
    if config.bias != "none" or config.lora_bias:
        problem = f"bias={config.bias!r} and lora_bias={config.lora_bias} train biases, which all roles of a base share"
    elif path is None and config.init_lora_weights not in (True, "gaussian"):
        problem = f"with init_lora_weights={config.init_lora_weights!r} a fresh adapter does not start as its base"
    if problem:
        raise BadInput(
            problem, "Give a LoraConfig without it, or merge the adapter into a base of its own", field="peft_config"
        )
    config = copy.copy(config)
    config.task_type, config.modules_to_save, config.lora_dropout = "CAUSAL_LM", None, 0.0
    config.inference_mode = False
    if path is not None:
        config.init_lora_weights = True  # the weights are loaded next, and an initialisation such as PiSSA's changes W
    return config
