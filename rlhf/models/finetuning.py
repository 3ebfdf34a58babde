# SPDX-License-Identifier: Apache-2.0
"""The common part of all fine-tuning: the parent merged into the weights, a fresh LoRA on them, one adapter at the end.

During training the parent's adapter is part of the weights: without the fresh LoRA the model is the parent, which makes
it the reference without a second model. The result is one adapter of the shared base that holds both.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict
from torch import nn
from transformers import PreTrainedModel, Trainer

from data.records import Policy
from data.run_context import RunContext
from reward.base.adapters import read_adapter, write_adapter
from reward.base.frozen_base import Base
from reward.base.machine import library_versions
from reward.base.patches.lora_forward import patch_forward
from reward.base.stacking import stack


def merge_parent(base: Base, folder: Path | None) -> PreTrainedModel:
    """Return the causal LM with a parent's adapter merged into its weights; the base has no other role afterwards."""
    if folder is None:
        return base.causal
    base.add_adapter("parent", folder)
    return merge_adapter(base, "parent")


def merge_adapter(base: Base, role: str) -> PreTrainedModel:
    """Return the causal LM with one adapter merged into its weights, without adapters; the base is used up."""
    # by name: no role is active on a base, so none would be merged
    merge: Callable[..., PreTrainedModel] = base.model.merge_and_unload  # type: ignore[assignment]  # PEFT forwards it
    return merge(adapter_names=[role])


def patch_lora_layers(model: nn.Module) -> None:
    """Let every LoRA layer compute in one matrix product if it can; see `reward.base.patches.lora_forward`."""
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            patch_forward(layer)


def lora_model(trainer: Trainer) -> PeftModel:
    """Return the LoRA model of a trainer that was built with a `peft_config`."""
    model = trainer.model
    assert isinstance(model, PeftModel), f"the trainer's model is a {type(model).__name__}, not a LoRA model"
    return model


def save_trained_adapter(model: PeftModel, folder: Path, parent: Path | None) -> Path:
    """Save the adapter that was trained on a merged parent, with the parent's adapter in it; return `folder`."""
    config = cast(LoraConfig, model.peft_config["default"])
    config.inference_mode = True
    adapter = config, get_peft_model_state_dict(model)
    if parent:
        adapter = stack(model.get_base_model(), read_adapter(parent), adapter)
    write_adapter(folder, *adapter)
    return folder


def publish_policy(context: RunContext, folder: Path, kind: str, parent: Policy, base: Base, **about: Any) -> Policy:  # noqa: ANN401 (columns of a policy)
    """Move a finished adapter into the home as a policy of `kind`, and delete the run's checkpoints.

    `about` holds further columns of the policy: config, seed, snapshot_id, ...
    """
    versions: Mapping[str, Any] = (
        library_versions() | {"fingerprint": base.fingerprint} | base.template_options.keywords()
    )
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
