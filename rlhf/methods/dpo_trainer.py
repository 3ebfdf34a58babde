# SPDX-License-Identifier: Apache-2.0
"""TRL's DPOTrainer on token ids, with steps of similar length."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import PreTrainedModel
from trl import DPOConfig, DPOTrainer

from reward.base import distributed
from reward.base.frozen_base import Base
from reward.base.lora_targets import lora_of
from reward.base.out_of_memory import halved
from reward.base.patches.trl_tiles import shrink_tiles
from reward.training.arguments import trainer_arguments
from reward.training.atomic_checkpoints import DraftingTrainer
from reward.training.steps import StepTrainer
from rlhf.models.finetuning import autocast, patch_lora_layers, trained_model, trains_all_weights
from rlhf.settings import DPOSettings

EVALUATIONS = 10
"""Number of evaluations on held-out comparisons during a training."""
TokenColumns = dict[str, list[int]]
"""A row as TRL reads it: prompt_ids, chosen_ids, rejected_ids."""


class PairTrainer(DraftingTrainer, StepTrainer, DPOTrainer):
    """DPOTrainer of a LoRA or of all weights whose rows are token ids: prompt_ids, chosen_ids, rejected_ids.

    The reference is the model before the first step. A LoRA can be switched off at any time; whole weights score all
    rows before the training, which takes two numbers a row instead of a second copy of the weights.
    """

    loss_is_scaled_for_ga = True

    @classmethod
    def build(
        cls,
        model: PreTrainedModel,
        base: Base,
        config: DPOConfig,
        settings: DPOSettings,
        training: Sequence[TokenColumns],
        held_out: Sequence[TokenColumns] = (),
    ) -> PairTrainer:
        """Return a trainer of a fresh LoRA on `model`, or of all its weights, with the base's tokenizer."""
        shrink_tiles(base.device)
        trainer = cls(
            model,
            args=config,
            train_dataset=Dataset.from_list(list(training)),
            eval_dataset=Dataset.from_list(list(held_out)) if held_out else None,
            processing_class=copy.deepcopy(base.tokenizer),  # the trainer may set its pad token
            peft_config=None if trains_all_weights(settings) else lora_of(model, settings),
        )
        patch_lora_layers(trained_model(trainer))
        trainer.step_rows = settings.batch_size
        trainer.accelerator.gather = distributed.gather_rows  # accelerate's own needs equal shapes
        return trainer

    def reference_logps(self, rows: Sequence[TokenColumns]) -> np.ndarray:
        """Return the reference's log-probabilities of the chosen and the rejected answer, (rows, 2), in nats.

        With whole weights, call it before the training.
        """
        model = trained_model(self).eval()
        return self._score(rows, lambda batch: torch.cat(self.compute_ref_log_probs(model, batch)))

    def implicit_rewards(self, rows: Sequence[TokenColumns], reference: np.ndarray) -> np.ndarray:
        """Return beta (logp - ref_logp) of the chosen and the rejected answer, (rows, 2)."""
        model = trained_model(self).eval()

        def logps(batch: dict[str, Any]) -> torch.Tensor:
            labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
            inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
            with self.compute_loss_context_manager():
                return model(**inputs, labels=labels, fused_lm_head=True, use_cache=False).log_probs.sum(dim=1)

        return self.beta * (self._score(rows, logps) - reference)

    @torch.no_grad()
    def _score(self, rows: Sequence[TokenColumns], score: Callable[[dict[str, Any]], torch.Tensor]) -> np.ndarray:
        """Return `score` of every row, (rows, 2); it takes a batch and returns all chosen, then all rejected."""
        size = self.args.per_device_eval_batch_size

        def score_shard(own: list[TokenColumns]) -> list[np.ndarray]:
            parts = []
            for start in range(0, len(own), size):
                batch = self._prepare_inputs(self.data_collator(own[start : start + size]))
                parts += list(score(batch).view(2, -1).T.float().cpu().numpy())
            return parts

        return np.array(distributed.map_shards(score_shard, rows), np.float32).reshape(-1, 2)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:  # noqa: ANN401 (TRL's own signature)
        """Return TRL's loss; in training, the pass's share of the step's mean loss."""
        training = trained_model(self).training
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        return loss * self.next_weight() if training else loss

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        """Add the reference's log-probabilities. TRL's own method leaves a file in the temporary folder."""
        chosen, rejected = self.reference_logps(dataset.to_list()).T
        return dataset.add_column("ref_chosen_logps", chosen).add_column("ref_rejected_logps", rejected)

    def create_model_card(self, *_: object, **__: object) -> None:
        """Write no model card: a checkpoint is not published."""

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset

    def row_lengths(self) -> list[int]:
        """Return the tokens of each prompt with its longer answer."""
        rows = self.train_dataset
        assert isinstance(rows, Dataset), "`build` gives the trainer a Dataset"
        columns = zip(rows["prompt_ids"], rows["chosen_ids"], rows["rejected_ids"], strict=True)
        return [len(prompt) + max(len(chosen), len(rejected)) for prompt, chosen, rejected in columns]


def dpo_config(folder: Path, settings: DPOSettings, rows: int, device: torch.device, *, watching: bool) -> DPOConfig:
    """Return a DPOConfig: no telemetry, a checkpoint every 50 steps."""
    steps = settings.max_steps or max(1, math.ceil(math.ceil(rows / settings.batch_size) * settings.epochs))
    return DPOConfig(
        **trainer_arguments(folder, settings, device, whole=trains_all_weights(settings)),
        warmup_steps=min(10, steps // 5),
        beta=settings.beta,
        **loss_options(settings.loss, settings.label_smoothing),
        max_length=None,
        per_device_eval_batch_size=halved(settings.batch_size),
        router_aux_loss_coef=0.0,  # as for SFT
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        eval_strategy="steps" if watching else "no",
        eval_steps=max(1, steps // EVALUATIONS),
        logging_steps=max(1, min(10, steps // 20)),
        save_steps=50,
        precompute_ref_log_probs=trains_all_weights(settings),
        **autocast(settings),
    )


def loss_options(loss: str, smoothing: float) -> dict[str, Any]:
    """Return the loss as TRL's options.

    TRL's sigmoid loss S = -log s(x) takes no smoothing e. Conservative DPO (Mitchell 2023), (1 - e) S - e log s(-x),
    follows from S and TRL's robust loss R = ((1 - e) S + e log s(-x)) / (1 - 2 e) as 2 (1 - e) S - (1 - 2 e) R.
    """
    if loss != "sigmoid" or not smoothing:
        return {"loss_type": [loss]}
    weights = [2 * (1 - smoothing), -(1 - 2 * smoothing)]
    return {"loss_type": ["sigmoid", "robust"], "loss_weights": weights, "label_smoothing": smoothing}
