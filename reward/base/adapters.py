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

from labeling.texts.pages import bad_input

Weights = dict[str, torch.Tensor]
Adapter = tuple[LoraConfig, Weights]
HEAD = "base_model.model.score.weight"


def read_adapter(folder: Path | str) -> Adapter:
    """Return the configuration and the tensors of a LoRA folder. Raises BadInput for anything else."""
    folder = Path(folder)
    if not (folder / "adapter_config.json").is_file():
        raise bad_input("refused.adapter_none", folder=str(folder))
    kind = json.loads((folder / "adapter_config.json").read_text()).get("peft_type")
    if kind != "LORA":
        raise bad_input("refused.adapter_kind", folder=str(folder), type=kind)
    if not (folder / "adapter_model.safetensors").is_file():
        raise bad_input("refused.adapter_weights", folder=str(folder))
    try:
        config = LoraConfig.from_pretrained(str(folder))
        weights = load_peft_weights(str(folder), device="cpu")
    except (SafetensorError, ValueError, TypeError) as problem:
        raise bad_input("refused.adapter_damaged", folder=str(folder), problem=str(problem)) from problem
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
        raise bad_input("refused.adapter_replaces", folder=str(path), modules=sorted(replaced))
    if config.bias != "none" or config.lora_bias:
        raise bad_input("refused.adapter_biases", field="peft_config", bias=config.bias, lora_bias=config.lora_bias)
    if path is None and config.init_lora_weights not in (True, "gaussian"):
        raise bad_input("refused.adapter_start", field="peft_config", given=config.init_lora_weights)
    config = copy.copy(config)
    config.task_type, config.modules_to_save, config.lora_dropout = "CAUSAL_LM", None, 0.0
    config.inference_mode = False
    if path is not None:
        config.init_lora_weights = True  # the weights are loaded next, and an initialisation such as PiSSA's changes W
    return config
