"""LoRA adapters as folders in PEFT's format, and as one adapter stacked from two."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from peft import LoraConfig
from peft.utils import load_peft_weights
from safetensors import SafetensorError
from safetensors.torch import save_file

from data.errors import BadInput

Weights = dict[str, torch.Tensor]
HEAD = "base_model.model.score.weight"


def read_adapter(folder: Path | str) -> tuple[LoraConfig, Weights]:
    """Configuration and tensors of a LoRA folder. Raises BadInput for anything else."""
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
        raise BadInput(error=f"cannot read the adapter in {str(folder)!r}: {problem}", remedy="Save it again.") from problem


def write_adapter(folder: Path | str, config: LoraConfig, weights: Weights) -> None:
    """Save tensors and configuration so that `PeftModel.from_pretrained(base, folder)` reads them back."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    config.save_pretrained(str(folder))
    tensors = {name: tensor.detach().to("cpu").contiguous() for name, tensor in weights.items()}
    save_file(tensors, str(Path(folder) / "adapter_model.safetensors"), metadata={"format": "pt"})
