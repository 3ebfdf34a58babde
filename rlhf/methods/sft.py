# SPDX-License-Identifier: Apache-2.0
"""Supervised fine-tuning: a LoRA or a whole model that imitates instruction rows, trained by TRL's SFTTrainer.

Rows are token ids with labels. A prompt is encoded exactly as in sampling, and the loss counts only the answer and
its end token.
"""

from __future__ import annotations

import copy
import math
import time
from collections import Counter
from pathlib import Path

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import PreTrainedModel
from trl import SFTConfig, SFTTrainer

from data.run_context import Cancelled, RunContext, RunResult
from data.settings import as_dict
from data.views.frozen_rows import current_instructions, freeze_instructions
from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from reward.base.lora_targets import lora_of
from reward.base.machine import peak_mb
from reward.base.patches.trl_tiles import shrink_tiles
from reward.base.sharding import shard
from reward.placement_settings import SHARDED
from reward.training.arguments import trainer_arguments
from reward.training.atomic_checkpoints import DraftingTrainer
from reward.training.callback import Progress, newest_checkpoint
from reward.training.steps import StepTrainer
from rlhf.methods.sft_rows import describe_row, tokenize_rows
from rlhf.models.finetuning import (
    autocast,
    load_trained_base,
    own_config,
    patch_lora_layers,
    publish_trained,
    trainable_model,
    trained_model,
    trains_all_weights,
)
from rlhf.models.policy_loading import adapter_folder
from rlhf.models.start_policy import choose_first_policy
from rlhf.settings import RejectionSettings, SFTSettings

SHOWN_ROWS = 3
"""Number of rows that the run's page shows as text and as tokens."""
LOGIT_TOLERANCE = 1e-3
"""Largest relative difference of logits with packing; rounding is a hundredth of it."""


def run(context: RunContext, settings: SFTSettings) -> RunResult:
    """Train a new policy on frozen instruction rows. Resumes from the run's checkpoint folder."""
    started = time.monotonic()
    store = context.store
    parent = choose_first_policy(store, settings.from_)
    snapshot, rows = freeze_instructions(
        context, settings.snapshot, lambda: current_instructions(store), {"split": "train"}
    )
    base = load_trained_base(settings, parent)
    base.limit_context(settings.max_length)
    skipped: Counter[str] = Counter()
    data, too_long = tokenize_rows(store, base, rows, skipped)
    for row in data.select(range(min(SHOWN_ROWS, len(data)))):
        context.sample(0, **describe_row(base, row))
    parent_adapter = adapter_folder(store, parent) if parent.adapter else None
    model = train(context, settings, base, data, parent_adapter)
    policy = publish_trained(
        context,
        model,
        "sft",
        parent,
        base,
        parent_adapter,
        snapshot_id=snapshot.id,
        seed=settings.seed,
        config=as_dict(settings) | {"rows": len(data)},
    )
    report = {
        "rows": len(data),
        "too_long": too_long,
        "skipped": dict(skipped),
        "seconds": round(time.monotonic() - started),
        "peak_mb": peak_mb(),
        "placement": base.placement.describe(),
    }
    return RunResult([policy.public], report)


def train(
    context: RunContext, settings: SFTSettings, base: Base, data: Dataset, parent: Path | None
) -> PreTrainedModel | PeftModel:
    """Return the trained model, whose weights include the parent's adapter; a LoRA stands beside them.

    Raises Cancelled after saving a checkpoint.
    """
    torch.manual_seed(settings.seed)
    model = trainable_model(context, settings, base, parent)
    with own_config(model):
        trainer = build_trainer(context.checkpoints(), settings, model, base, data, packing=settings.packing)
        if settings.packing:
            check_packing(trainer)
        progress = Progress(context)
        trainer.add_callback(progress)
        shard(model, trained_model(trainer), wanted=settings.strategy == SHARDED)
        trainer.train(resume_from_checkpoint=newest_checkpoint(context.checkpoints()))
    if progress.stopped:
        raise Cancelled
    return trained_model(trainer)


class RowTrainer(DraftingTrainer, StepTrainer, SFTTrainer):
    """TRL's SFTTrainer with atomic checkpoints. Its loss is a sum over the step's tokens in all processes."""

    def row_lengths(self) -> list[int]:
        """Return the tokens of every row."""
        assert isinstance(self.train_dataset, Dataset), "`build_trainer` gives the trainer a Dataset"
        return [len(ids) for ids in self.train_dataset["input_ids"]]

    def create_model_card(self, *_: object, **__: object) -> None:
        """Write no model card: a checkpoint is not published."""


def build_trainer(
    folder: Path,
    settings: SFTSettings | RejectionSettings,
    model: PreTrainedModel,
    base: Base,
    data: Dataset,
    *,
    packing: bool = False,
) -> SFTTrainer:
    """Return TRL's trainer of a fresh LoRA on `model`, or of all its weights, with the rows' own ids and labels.

    It saves to `folder`.

    With `packing`, the rows of a step are joined, each with its own positions.
    """
    steps = settings.max_steps or math.ceil(math.ceil(len(data) / settings.batch_size) * settings.epochs)
    arguments = SFTConfig(
        **trainer_arguments(folder, settings, base.device, whole=trains_all_weights(settings)),
        warmup_steps=min(20, steps // 10),
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        **autocast(settings),
        logging_steps=max(1, min(10, steps // 5)),
        save_steps=100,
        max_length=None,
        padding_free=packing,
        router_aux_loss_coef=0.0,  # the rows are the objective; TRL cannot compute a router's loss for every class
    )
    tokenizer = copy.deepcopy(base.tokenizer)  # the trainer may set its pad token
    shrink_tiles(base.device)
    lora = None if trains_all_weights(settings) else lora_of(model, settings)
    trainer = RowTrainer(model, arguments, train_dataset=data, processing_class=tokenizer, peft_config=lora)
    patch_lora_layers(trained_model(trainer))
    trainer.step_rows = settings.batch_size
    return trainer


@torch.no_grad()
def check_packing(trainer: SFTTrainer) -> None:
    """Raise BadInput if joined rows attend to each other: their logits differ from those of each row alone."""
    model, data = trained_model(trainer), trainer.train_dataset
    assert isinstance(data, Dataset), "`build_trainer` gives the trainer a Dataset"
    rows = [data[number] for number in range(min(3, len(data)))]
    batches = (trainer._prepare_inputs(trainer.data_collator(joined)) for joined in (rows, *([row] for row in rows)))
    packed, *alone = (model(**batch, use_cache=False).logits[0] for batch in batches)
    difference = (packed - torch.cat(alone)).abs().max().item()
    if difference > LOGIT_TOLERANCE * max(1.0, packed.abs().max().item()):
        raise bad_input("refused.packing", field="packing", difference=difference)
