# SPDX-License-Identifier: Apache-2.0
"""The classifier that TRL's RewardTrainer trains: one output on the base's own layers, not on a copy of them."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import set_peft_model_state_dict
from transformers import PreTrainedModel

from reward.base.adapters import as_causal, read_adapter
from reward.base.architecture import find_trunk, trunk_name
from reward.base.frozen_base import Base
from reward.base.loading import load_causal
from reward.base.lora_targets import lora_of
from reward.base.merging import merge_and_unload
from reward.base.sharding import is_sharded
from reward.training_settings import LoraSettings

HEAD_SPREAD = 0.02
"""Standard deviation of a fresh score head: scores start near 0."""


def as_classifier(base: Base, seed: int, start: Path | None = None) -> PreTrainedModel:
    """Return a classifier on the base's own layers, with a fresh score head drawn by `seed`.

    Its layers have the names that they have in the base, so its adapters fit the base. It has no forward pass of its
    own: the trainer reads the trunk's hidden states and applies the head `score`. If `start` names an adapter's folder,
    the layers are copied, or read once more if they are sharded, and the adapter is merged into the copy.
    """
    config = copy.deepcopy(base.causal.config)
    config.num_labels = 1
    config.get_text_config().pad_token_id = scoring_pad(base)
    # transformers reads what a family's models can do from the class that they share and from its module's source.
    family = next(parent for parent in type(base.causal).__mro__ if PreTrainedModel in parent.__bases__)
    name = trunk_name(base.causal)
    attributes = {"base_model_prefix": name, "__module__": family.__module__}
    model: PreTrainedModel = type("Classifier", (family,), attributes)(config)
    model.post_init()  # before it has layers, whose weights this would draw
    model.add_module(name, find_trunk(base.causal) if start is None else _trunk_copy(base))
    torch.manual_seed(seed)
    model.score = torch.nn.Linear(base.hidden_size, 1, bias=False, device=base.device)
    torch.nn.init.normal_(model.score.weight, std=HEAD_SPREAD)
    return model if start is None else _merged(model, start)


def remove_adapter(base: Base, classifier: PeftModel) -> None:
    """Remove the trained adapter from the base's layers, freeze them and return them to eval mode."""
    classifier.unload()
    base.causal.eval().requires_grad_(False)


def trunk_of(classifier: torch.nn.Module) -> PreTrainedModel:
    """Return the layers of a classifier without its score head."""
    assert isinstance(classifier, PreTrainedModel), "a classifier of this module is a transformers model"
    return find_trunk(classifier)


def scoring_pad(base: Base) -> int:
    """Return a pad id that is not an end token. The classifier scores at the last token other than the pad id."""
    return next(i for i in (base.pad_id, 0, *range(1, base.encoding.rows)) if i not in base.eos_ids)


def lora_for_scoring(classifier: PreTrainedModel, settings: LoraSettings) -> LoraConfig:
    """Return the LoRA that the settings ask for, which also trains the score head."""
    config = lora_of(classifier, settings)
    config.task_type, config.modules_to_save = "SEQ_CLS", ["score"]
    return config


def _trunk_copy(base: Base) -> PreTrainedModel:
    """Return a copy of the base's layers; sharded ones cannot be copied."""
    if is_sharded(base.causal):
        return find_trunk(load_causal(base.name, base.placement)[0])
    return copy.deepcopy(find_trunk(base.causal))


def _merged(model: PreTrainedModel, start: Path) -> PreTrainedModel:
    config, weights = read_adapter(start)
    config = as_causal(config, start)
    config.task_type = None
    wrapped = get_peft_model(model, config)
    set_peft_model_state_dict(wrapped, weights)
    assert isinstance(wrapped, PeftModel), "PEFT returns another class for mixed adapter types only"
    return merge_and_unload(wrapped, "default")
