# SPDX-License-Identifier: Apache-2.0
"""The common part of all fine-tuning: the parent merged into the weights, then a fresh LoRA on them, or all of them.

During training the parent's adapter is part of the weights: without the fresh LoRA the model is the parent, which makes
it the reference without a second model. The result is one adapter of the shared base that holds both. A full
fine-tuning ends in a base of its own in the home, as pre-training does.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

from data.records import Policy
from data.run_context import RunContext
from labeling.texts.pages import bad_input
from reward.base.adapters import read_adapter, write_adapter
from reward.base.frozen_base import Base
from reward.base.machine import library_versions
from reward.base.merging import merge_and_unload
from reward.base.patches.lora_forward import patch_forward
from reward.base.placement import Placement
from reward.base.stacking import stack
from reward.training_settings import LoraSettings
from rlhf.models.policy_loading import Bases
from rlhf.settings import FULL, FinetuningSettings, check_trainable

FULL_DISK = 24
"""Bytes of disk for each weight of a full fine-tuning: weights and AdamW's moments in float32, in two checkpoints.

The newest checkpoint is complete before the one before it is deleted.
"""


def trains_all_weights(settings: LoraSettings) -> bool:
    """Return whether a training with these settings trains all weights instead of a LoRA."""
    return isinstance(settings, FinetuningSettings) and settings.finetuning == FULL


def load_trained_base(settings: FinetuningSettings, parent: Policy) -> Base:
    """Return a fresh copy of the policy's base for a training; in float32 if all of its weights are trained.

    A bfloat16 weight would lose most updates to rounding. Raises BadInput for a base that is stored quantised.
    """
    if not trains_all_weights(settings):
        return Bases(settings).of(parent)
    base = Bases(settings.model_copy(update={"dtype": "float32"})).of(parent)
    stored = getattr(base.causal, "quantization_method", None)
    check_trainable(base.placement.quantize)
    if stored is not None:
        raise bad_input("refused.quantized_policy", field="from", public=parent.public, value=stored.value)
    return base


def autocast(settings: LoraSettings) -> dict[str, Any]:
    """Return the trainer's arguments for its precision.

    A LoRA computes as its base was loaded. Weights in float32 are multiplied in the dtype that the settings place.
    """
    if not isinstance(settings, FinetuningSettings) or settings.finetuning != FULL:
        return {"bf16": False}
    dtype = Placement.choose(settings).dtype
    return {"bf16": dtype == torch.bfloat16, "fp16": dtype == torch.float16}


def trainable_model(context: RunContext, settings: LoraSettings, base: Base, parent: Path | None) -> PreTrainedModel:
    """Return the model to train, with the parent's adapter in its weights: frozen for a LoRA, else trainable.

    Raises BadInput if the disk has no room for the checkpoints of a full fine-tuning.
    """
    model = merge_parent(base, parent)
    if not trains_all_weights(settings):
        return model
    need, free = FULL_DISK * model.num_parameters(), shutil.disk_usage(context.folder).free
    if need > free:
        raise bad_input("refused.full_disk", field="finetuning", need=need / 1e9, free=free / 1e9)
    return model.requires_grad_(True)


@contextmanager
def own_config(model: PreTrainedModel) -> Iterator[None]:
    """Give the model back its configuration, which trainers adapt to themselves: end tokens, losses of routers."""
    config, generation = copy.deepcopy(model.config), copy.deepcopy(model.generation_config)
    try:
        yield
    finally:
        model.config, model.generation_config = config, generation


def merge_parent(base: Base, folder: Path | None) -> PreTrainedModel:
    """Return the causal LM with a parent's adapter merged into its weights; the base has no other role afterwards."""
    if folder is None:
        return base.causal
    base.add_adapter("parent", folder)
    return merge_adapter(base, "parent")


def merge_adapter(base: Base, role: str) -> PreTrainedModel:
    """Return the causal LM with one adapter merged into its weights, without adapters; the base is used up."""
    assert isinstance(base.model, PeftModel), "the role is an adapter of the base"
    return merge_and_unload(base.model, role)


def patch_lora_layers(model: nn.Module) -> None:
    """Let every LoRA layer compute in one matrix product if it can; see `reward.base.patches.lora_forward`."""
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            patch_forward(layer)


def trained_model(trainer: Trainer) -> PreTrainedModel | PeftModel:
    """Return the model of a trainer: with a LoRA, or bare if all its weights are trained."""
    model = trainer.model
    assert isinstance(model, PreTrainedModel | PeftModel), f"the trainer's model is a {type(model).__name__}"
    return model


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


def publish_trained(
    context: RunContext,
    model: PreTrainedModel | PeftModel,
    kind: str,
    parent: Policy,
    base: Base,
    adapter: Path | None,
    **about: Any,  # noqa: ANN401 (columns of a policy)
) -> Policy:
    """Add what was trained to the home as a policy of `kind`: a LoRA with the parent's `adapter`, or whole weights."""
    if isinstance(model, PeftModel):
        return context.once(
            lambda: publish_policy(
                context,
                save_trained_adapter(model, context.folder / "adapter", adapter),
                kind,
                parent,
                base,
                **about,
            )
        )
    options = base.template_options
    fingerprint = Base(model, base.tokenizer, context.run.public, options=options).fingerprint
    return publish_model(
        context,
        model,
        base.tokenizer,
        name=f"{kind} of {context.run.public}",
        kind=kind,
        parent_id=parent.id,
        versions=library_versions() | {"fingerprint": fingerprint} | options.keywords(),
        **about,
    )


def publish_model(
    context: RunContext,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    **columns: Any,  # noqa: ANN401 (columns of a policy)
) -> Policy:
    """Add whole weights with their tokenizer to the home as a bare policy, and delete the run's checkpoints.

    Folder and row appear together. A full disk leaves neither.
    """

    def publish() -> Policy:
        with TemporaryDirectory(prefix=".model.", dir=context.folder) as place:
            folder = Path(place) / "base"
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            policy = context.store.policies.publish_base(folder, run_id=context.run.id, **columns)
        shutil.rmtree(context.checkpoints())
        return policy

    return context.once(publish)


def publish_policy(context: RunContext, folder: Path, kind: str, parent: Policy, base: Base, **about: Any) -> Policy:  # noqa: ANN401 (columns of a policy)
    """Move a finished adapter into the home as a policy of `kind`, and delete the run's checkpoints, in one process.

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
