"""The base as TRL's RewardTrainer wants it: a sequence-classification model with one output, its weights frozen."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from peft.utils import set_peft_model_state_dict
from transformers import AutoModelForSequenceClassification, PreTrainedModel, set_seed
from transformers.utils import logging as transformers_logging

from reward.adapters import read_adapter
from reward.base import Base
from reward.loading import LOCAL, locate


def load_classifier(base: Base, seed: int, start: Path | None = None) -> PreTrainedModel:
    """A copy of the base's weights with a fresh score head drawn by `seed`; the adapter `start` is merged into it."""
    transformers_logging.set_verbosity_error()  # a fresh head is what is wanted here
    set_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        locate(base.name), num_labels=1, dtype=torch.float32, use_safetensors=True, **LOCAL
    )
    if start is not None:
        model = _merged(model, start)
    model.config.get_text_config().pad_token_id = scoring_pad(base)
    return model


def scoring_pad(base: Base) -> int:
    """A pad id that is no end token: the classifier reads its score at the last token that is not this id."""
    return next(i for i in (base.pad_id, 0, *range(1, base.encoding.rows)) if i not in base.eos_ids)


def lora_for_scoring(rank: int) -> LoraConfig:
    """LoRA on all linear layers, and the score head itself."""
    return LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="SEQ_CLS",
        modules_to_save=["score"],
    )


def _merged(model: PreTrainedModel, start: Path) -> PreTrainedModel:
    config, weights = read_adapter(start)
    config.task_type = config.modules_to_save = None
    wrapped = get_peft_model(model, config)
    set_peft_model_state_dict(wrapped, weights)
    return wrapped.merge_and_unload()
