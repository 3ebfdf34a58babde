"""What the ways of tuning a policy share: the start merged into the weights, a fresh LoRA on them, and one adapter at the end.

While training, the parent's adapter is part of the weights: switching the fresh LoRA off gives the parent, so that it is the reference
without a second model. What is kept is one adapter of the shared base that holds both.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict

from data.records import Policy
from data.run_context import RunContext
from reward.base.adapters import read_adapter, stack, write_adapter
from reward.base.frozen_base import Base
from reward.base.machine import library_versions
from reward.base.patches.lora_forward import patch_forward


def merge_parent(base: Base, folder: Path | None) -> torch.nn.Module:
    """The causal LM, with a parent's adapter merged into its weights; the base can play no other role afterwards."""
    if folder is None:
        return base.causal
    base.add_adapter("parent", folder)
    return base.model.merge_and_unload(
        adapter_names=["parent"]
    )  # no role is active on a base, and none would be merged


def patch_lora_layers(model: torch.nn.Module) -> None:
    """Let every LoRA layer compute in one matrix product where it can; see `reward.base.patches.lora_forward`."""
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            patch_forward(layer)


def save_trained_adapter(model: PeftModel, folder: Path, parent: Path | None) -> Path:
    """Save the adapter that was trained on a merged parent, the parent's with it; returns `folder`."""
    config = model.peft_config["default"]
    config.inference_mode = True
    adapter = config, get_peft_model_state_dict(model)
    write_adapter(folder, *(stack(read_adapter(parent), adapter) if parent else adapter))
    return folder


def publish_policy(context: RunContext, folder: Path, kind: str, parent: Policy, base: Base, **about: Any) -> Policy:
    """Move a finished adapter into the home as a policy of `kind`, and drop the run's checkpoints; `about`: config, seed, snapshot_id, ..."""
    versions: Mapping[str, Any] = library_versions() | {
        "fingerprint": base.fingerprint,
        "chat_template": base.tokenizer.chat_template,
    }
    policy = context.store.policies.publish(
        folder,
        name=f"{kind} of {context.run.public}",
        kind=kind,
        base=parent.base,
        parent_id=parent.id,
        run_id=context.run.id,
        versions=versions,
        **about,
    )
    shutil.rmtree(context.checkpoints())
    return policy
