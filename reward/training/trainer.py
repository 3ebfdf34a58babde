# SPDX-License-Identifier: Apache-2.0
"""TRL's RewardTrainer on elements (a prompt, its answers, comparisons of them), with batches of similar length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft.tuners.lora import LoraLayer
from torch.utils.data import Sampler
from trl import RewardConfig, RewardTrainer

from reward.base.patches.lora_forward import patch_forward
from reward.training.losses import centring, mean_of_groups
from reward.training.packing import Planner, last_hidden

COLUMNS = ["prompt", "answers", "first", "second", "grade", "weight"]
BUCKET = 8
"""Batches that are sorted by length together: enough to save padding, few enough to keep the order random."""
LIKELIHOOD = "likelihood.pt"
CURVES = {name: name for name in ("loss", "accuracy", "margin", "grad_norm", "learning_rate")}
"""The numbers of the trainer's logs that the run stores."""


class PreferenceTrainer(RewardTrainer):
    """RewardTrainer on prompt groups, with a likelihood of `reward.training.likelihood` as its loss.

    The likelihood is a module on the model, so that its points are trained with it. Label smoothing and centring are
    the arguments' `label_smoothing_factor` and `center_rewards_coefficient`.
    """

    def __init__(self, *, likelihood: torch.nn.Module, **trainer: Any) -> None:  # noqa: ANN401 (passed through)
        super().__init__(**trainer)
        self.model.likelihood = likelihood.to(self.model.device)
        for layer in self.model.modules():
            if isinstance(layer, LoraLayer):
                patch_forward(layer)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        **_: Any,  # noqa: ANN401 (passed through)
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        """Mean over elements of the mean over their comparisons.

        Logs accuracy (equal scores half, ties left out) and margin.
        """
        scores = self.scores(inputs)
        first, second, grade = scores[inputs["first"]], scores[inputs["second"]], inputs["grade"]
        self._log(first - second, grade)
        swapped = self.args.label_smoothing_factor
        loss = (1 - swapped) * self.model.likelihood(first - second, grade) + swapped * self.model.likelihood(
            second - first, grade
        )
        loss = inputs["weight"] * loss
        if self.args.center_rewards_coefficient:
            loss = loss + self.args.center_rewards_coefficient * centring(first, second)
        loss = mean_of_groups(loss, inputs["group"])
        return (loss, {"scores": scores}) if return_outputs else loss

    def scores(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Raw scores (N,) in float32 of the answers of a collated batch, in its order."""
        classifier = self.model.get_base_model()
        trunk = getattr(classifier, classifier.base_model_prefix)
        return classifier.score(last_hidden(trunk, batch)).squeeze(-1).float()

    def create_model_card(self, **_: Any) -> None:  # noqa: ANN401 (passed through)
        """None: a checkpoint is not a model to be published."""

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:  # noqa: ANN401 (passed through)
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = COLUMNS

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler:
        rows = self.train_dataset
        lengths = [
            len(prompt) + sum(map(len, texts)) for prompt, texts in zip(rows["prompt"], rows["answers"], strict=True)
        ]
        return BucketSampler(lengths, self.args.train_batch_size, self.args.seed)

    def _log(self, difference: torch.Tensor, grade: torch.Tensor) -> None:
        metrics, decided = self._metrics["train"], grade != 0
        with torch.no_grad():
            right = ((difference * grade).sign() + 1) / 2
            if decided.any():
                metrics["accuracy"].append(right[decided].mean().item())
                metrics["margin"].append((difference * grade.sign())[decided].mean().item())

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        super()._save(output_dir, state_dict)
        torch.save(self.model.likelihood.state_dict(), Path(output_dir) / LIKELIHOOD)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        self.model.likelihood.load_state_dict(torch.load(Path(resume_from_checkpoint) / LIKELIHOOD, weights_only=True))


class BucketSampler(Sampler[int]):
    """A random order of rows in which every batch holds rows of similar length; it depends on seed and epoch alone."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Another order for another epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        chance = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=chance).tolist()
        size, batches = self.batch_size, []
        for start in range(0, len(order), size * BUCKET):
            bucket = sorted(order[start : start + size * BUCKET], key=self.lengths.__getitem__)
            cut = [bucket[at : at + size] for at in range(0, len(bucket), size)]
            batches += [cut[i] for i in torch.randperm(len(cut), generator=chance).tolist()]
        short = [batch for batch in batches if len(batch) < size]
        return iter([row for batch in [b for b in batches if len(b) == size] + short for row in batch])


def collator(plan: Planner) -> Callable[[Sequence[Mapping[str, Any]]], dict[str, torch.Tensor]]:
    """Batches for PreferenceTrainer: a layout of all answers, and the comparisons (P,) by the answers' places in it."""

    def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        before = [0, *accumulate(len(row["answers"]) for row in rows)]
        places = {
            name: [before[at] + place for at, row in enumerate(rows) for place in row[name]]
            for name in ("first", "second")
        }
        labels = {name: [value for row in rows for value in row[name]] for name in ("grade", "weight")}
        element = [at for at, row in enumerate(rows) for _ in row["grade"]]
        comparisons = {name: torch.tensor(values) for name, values in {**places, **labels, "group": element}.items()}
        return plan([row["prompt"] for row in rows], [row["answers"] for row in rows]) | comparisons

    return collate


def trainer_config(folder: Path, **changes: Any) -> RewardConfig:  # noqa: ANN401 (passed through)
    """RewardConfig for one small device: no telemetry, no reporting, no evaluation, float32."""
    fixed = {
        "output_dir": str(folder),
        "max_length": None,
        "bf16": False,
        "gradient_checkpointing": False,
        "lr_scheduler_type": "linear",
        "warmup_steps": 0.1,
        "logging_steps": 5,
        "logging_first_step": True,
        "save_strategy": "steps",
        "save_steps": 50,
        "save_total_limit": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "eval_strategy": "no",
    }
    return RewardConfig(**{**fixed, **changes})
