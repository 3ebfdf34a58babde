# SPDX-License-Identifier: Apache-2.0
"""TRL's RewardTrainer on prompt groups, with batches of similar length and a likelihood as its loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from torch.utils.data import Sampler
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import RewardConfig, RewardTrainer

from reward.base.patches.lora_forward import patch_forward
from reward.training.classifier import trunk_of
from reward.training.likelihood import Likelihood
from reward.training.losses import centring, mean_of_groups
from reward.training.packing import Planner, last_hidden
from reward.training.prompt_groups import COLUMNS

BUCKET = 8
"""Batches that are sorted by length together: enough to save padding, few enough to keep the order random."""
Collate = Callable[[Sequence[Mapping[str, Any]]], dict[str, torch.Tensor]]
"""Turns rows of the dataset into a batch."""
LIKELIHOOD = "likelihood.pt"
CURVES = {name: name for name in ("loss", "accuracy", "margin", "grad_norm", "learning_rate")}
"""The numbers of the trainer's logs that the run stores."""


class PreferenceTrainer(RewardTrainer):
    """RewardTrainer on prompt groups, with a likelihood of `reward.training.likelihood` as its loss.

    The likelihood is a module of the model, so that its cut points are trained with the weights. The arguments
    `label_smoothing_factor` and `center_rewards_coefficient` set label smoothing and centring.
    """

    model: PeftModel
    args: RewardConfig
    train_dataset: Dataset

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
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the mean over prompt groups of the mean loss of their comparisons.

        Logs accuracy (equal scores count half, ties not at all) and margin.
        """
        scores = self.scores(inputs)
        first, second, grade = scores[inputs["first"]], scores[inputs["second"]], inputs["grade"]
        self._log(first - second, grade)
        wrong = self.args.label_smoothing_factor
        loss = (1 - wrong) * self.likelihood(first - second, grade) + wrong * self.likelihood(second - first, grade)
        loss = inputs["weight"] * loss
        if self.args.center_rewards_coefficient:
            loss = loss + self.args.center_rewards_coefficient * centring(first, second)
        loss = mean_of_groups(loss, inputs["group"])
        return (loss, {"scores": scores}) if return_outputs else loss

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

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler:
        rows = zip(self.train_dataset["prompt"], self.train_dataset["answers"], strict=True)
        lengths = [len(prompt) + sum(map(len, answers)) for prompt, answers in rows]
        return BucketSampler(
            lengths, self.args.train_batch_size * self.args.gradient_accumulation_steps, self.args.seed
        )

    def _log(self, difference: torch.Tensor, grade: torch.Tensor) -> None:
        metrics, decided = self._metrics["train"], grade != 0
        with torch.no_grad():
            right = ((difference * grade).sign() + 1) / 2
            if decided.any():
                metrics["accuracy"].append(right[decided].mean().item())
                metrics["margin"].append((difference * grade.sign())[decided].mean().item())

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        super()._save(output_dir, state_dict)
        folder = output_dir or self.args.output_dir
        assert folder is not None, "trainer_config sets it"
        torch.save(self.likelihood.state_dict(), Path(folder) / LIKELIHOOD)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        self.likelihood.load_state_dict(torch.load(Path(resume_from_checkpoint) / LIKELIHOOD, weights_only=True))


class BucketSampler(Sampler[int]):
    """A random order of rows with batches of similar length. It depends on seed and epoch alone."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which selects the order."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator).tolist()
        size = self.batch_size
        batches: list[list[int]] = []
        for start in range(0, len(order), size * BUCKET):
            bucket = sorted(order[start : start + size * BUCKET], key=self.lengths.__getitem__)
            slices = [bucket[at : at + size] for at in range(0, len(bucket), size)]
            batches += [slices[i] for i in torch.randperm(len(slices), generator=generator).tolist()]
        short = [batch for batch in batches if len(batch) < size]
        return iter([row for batch in [b for b in batches if len(b) == size] + short for row in batch])


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
