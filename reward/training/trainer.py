# SPDX-License-Identifier: Apache-2.0
"""TRL's RewardTrainer on prompt groups, with batches of similar length and a likelihood as its loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import RewardConfig, RewardTrainer

from reward.base import distributed
from reward.base.patches.lora_forward import patch_forward
from reward.training.atomic_checkpoints import DraftingTrainer
from reward.training.callback import BestPass
from reward.training.classifier import trunk_of
from reward.training.likelihood import Likelihood
from reward.training.losses import centring, mean_of_groups
from reward.training.packing import Planner, last_hidden
from reward.training.prompt_groups import COLUMNS
from reward.training.steps import StepTrainer

Collate = Callable[[Sequence[Mapping[str, Any]]], dict[str, torch.Tensor]]
"""Turns rows of the dataset into a batch."""
LIKELIHOOD, BEST_PASS = "likelihood.pt", "best_pass.pt"
CURVES = {name: name for name in ("loss", "accuracy", "margin", "grad_norm", "learning_rate")}
"""The numbers of the trainer's logs that the run stores."""


class PreferenceTrainer(DraftingTrainer, StepTrainer, RewardTrainer):
    """RewardTrainer on prompt groups, with a likelihood of `reward.training.likelihood` as its loss.

    The likelihood is a module of the model, so that its cut points are trained with the weights. The forward pass of
    the model is the loss: DDP averages gradients of its wrapped module's forward pass alone. The arguments
    `label_smoothing_factor` and `center_rewards_coefficient` set label smoothing and centring.
    """

    loss_is_scaled_for_ga = True
    model: PeftModel
    args: RewardConfig
    train_dataset: Dataset
    best_pass: BestPass | None = None
    """The pass to keep, if one is chosen; its state is part of a checkpoint."""
    watched: int = 0
    """The number of held-out comparisons that choose it."""

    def __init__(
        self,
        *,
        likelihood: Likelihood,
        model: PreTrainedModel,
        args: RewardConfig,
        data_collator: Collate,
        train_dataset: Dataset,
        processing_class: PreTrainedTokenizerBase,
        peft_config: LoraConfig,
    ) -> None:
        super().__init__(
            model=model,
            args=args,
            data_collator=data_collator,
            train_dataset=train_dataset,
            processing_class=processing_class,
            peft_config=peft_config,
        )
        self.model.add_module("likelihood", likelihood.to(self.model.device))
        self.model.forward = self.mean_loss  # type: ignore[method-assign]
        for layer in self.model.modules():
            if isinstance(layer, LoraLayer):
                patch_forward(layer)

    @property
    def likelihood(self) -> Likelihood:
        """The loss of a comparison, with its cut points as trained so far."""
        module = self.model.get_submodule("likelihood")
        assert isinstance(module, Likelihood)
        return module

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: Mapping[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Return the pass's share of the step's mean loss; log accuracy and margin of the step."""
        loss, difference = model(inputs)
        weight = self.next_weight()
        self._log(difference.detach(), inputs["grade"] * bool(weight))
        return weight * loss

    def mean_loss(self, batch: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean over prompt groups of the mean loss of their comparisons, and the score differences (P,)."""
        scores = self.scores(batch)
        first, second, grade = scores[batch["first"]], scores[batch["second"]], batch["grade"]
        wrong = self.args.label_smoothing_factor
        loss = (1 - wrong) * self.likelihood(first - second, grade) + wrong * self.likelihood(second - first, grade)
        loss = batch["weight"] * loss
        if self.args.center_rewards_coefficient:
            loss = loss + self.args.center_rewards_coefficient * centring(first, second)
        return mean_of_groups(loss, batch["group"]), first - second

    @torch.no_grad()
    def held_out_loss(self, rows: Dataset) -> float:
        """Return the mean negative log-likelihood over the prompt groups of other rows, in nats per comparison."""
        self.model.eval()
        total = 0.0
        for at in range(0, len(rows), self.args.train_batch_size):
            part = [rows[number] for number in range(at, min(at + self.args.train_batch_size, len(rows)))]
            batch = self._prepare_inputs(self.data_collator(part))
            scores = self.scores(batch)
            losses = self.likelihood(scores[batch["first"]] - scores[batch["second"]], batch["grade"])
            total += len(part) * mean_of_groups(batch["weight"] * losses, batch["group"]).item()
        self.model.train()
        return distributed.once(lambda: total / len(rows))  # the same in all processes, whatever their last digits

    def scores(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the raw scores (N,) in float32 of the answers of a collated batch, in its order."""
        classifier = self.model.get_base_model()
        head = classifier.get_submodule("score")
        hidden = last_hidden(trunk_of(classifier), batch)
        return head(hidden.float()).squeeze(-1)  # the head is float32, whatever the weights are

    def create_model_card(self, *_: object, **__: object) -> None:
        """Write no model card, because a checkpoint is not published."""

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = COLUMNS  # type: ignore[assignment]  # transformers infers None from its default

    def row_lengths(self) -> list[int]:
        """Return the tokens of every prompt group."""
        rows = zip(self.train_dataset["prompt"], self.train_dataset["answers"], strict=True)
        return [len(prompt) + sum(map(len, answers)) for prompt, answers in rows]

    def _log(self, difference: torch.Tensor, grade: torch.Tensor) -> None:
        """Log accuracy (equal scores count half, ties not at all) and margin over all processes."""
        signed, decided = difference * grade.sign(), grade != 0
        right = (signed.sign() + 1) / 2
        sums = torch.stack([decided.sum().float(), right[decided].sum(), signed[decided].sum()])
        count, right_count, margin = distributed.sum_tensors(sums).tolist()
        if count:
            self._metrics["train"]["accuracy"].append(right_count / count)
            self._metrics["train"]["margin"].append(margin / count)

    def _complete_checkpoint(self, checkpoint: Path) -> None:
        torch.save(self.likelihood.state_dict(), checkpoint / LIKELIHOOD)
        if self.best_pass:
            torch.save(self.best_pass.state(), checkpoint / BEST_PASS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        folder = Path(resume_from_checkpoint)
        self.likelihood.load_state_dict(torch.load(folder / LIKELIHOOD, weights_only=True))
        if self.best_pass and (folder / BEST_PASS).is_file():  # a version before had none
            self.best_pass.restore(**torch.load(folder / BEST_PASS, weights_only=True))


def collator(plan: Planner) -> Collate:
    """Return the function that makes PreferenceTrainer's batches.

    A batch is a layout of all answers, and the comparisons (P,) with the answers' positions in it.
    """

    def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        before = [0, *accumulate(len(row["answers"]) for row in rows)]
        positions = {
            name: [before[number] + position for number, row in enumerate(rows) for position in row[name]]
            for name in ("first", "second")
        }
        labels = {name: [value for row in rows for value in row[name]] for name in ("grade", "weight")}
        groups = [number for number, row in enumerate(rows) for _ in row["grade"]]
        comparisons = {name: torch.tensor(values) for name, values in {**positions, **labels, "group": groups}.items()}
        return plan([row["prompt"] for row in rows], [row["answers"] for row in rows]) | comparisons

    return collate


def trainer_config(**arguments: Any) -> RewardConfig:  # noqa: ANN401 RewardConfig's arguments of many types
    """Return a RewardConfig without evaluation and autocast, with these arguments."""
    fixed = {
        "max_length": None,
        "bf16": False,
        "warmup_steps": 0.1,
        "logging_steps": 5,
        "logging_first_step": True,
        "save_strategy": "steps",
        "save_steps": 50,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "eval_strategy": "no",
    }
    return RewardConfig(**{**fixed, **arguments})
