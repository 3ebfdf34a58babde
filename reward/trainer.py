"""TRL's RewardTrainer, fed the stored token ids, with ties, labelers' weights and batches of similar length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.nn.functional import logsigmoid
from torch.utils.data import Sampler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import RewardConfig, RewardTrainer

from data.context import RunContext

COLUMNS = ["chosen_ids", "rejected_ids", "label", "weight"]
BUCKET = 8
"""Batches that are sorted by length together: enough to save padding, few enough to keep the order random."""


def preference_loss(difference: torch.Tensor, label: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean of weight times the cross-entropy of Bradley-Terry, for score differences chosen - rejected (B,).

    `label` is 1, or 0.5 for a tie, whose loss is the half-half mean of both directions; weights average 1 over the data.
    """
    return -(weight * (label * logsigmoid(difference) + (1 - label) * logsigmoid(-difference))).mean()


class PreferenceTrainer(RewardTrainer):
    """RewardTrainer whose rows carry a label (1 or 0.5) and a weight, and whose end tokens are never taken for padding."""

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = COLUMNS

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler:
        rows = self.train_dataset
        lengths = [max(len(a), len(b)) for a, b in zip(rows["chosen_ids"], rows["rejected_ids"], strict=True)]
        return BucketSampler(lengths, self.args.train_batch_size, self.args.seed)

    def compute_loss(
        self, model: torch.nn.Module, inputs: dict[str, torch.Tensor], return_outputs: bool = False, **_: Any
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        """Bradley-Terry with ties at half; logs loss, accuracy (equal scores half, ties left out) and margin."""
        label, weight = inputs.pop("label"), inputs.pop("weight")
        outputs = model(**inputs, use_cache=False)
        chosen, rejected = outputs.logits.squeeze(-1).float().chunk(2)
        difference = chosen - rejected
        with torch.no_grad():
            right = (difference.sign() + 1) / 2
            if (label == 1).any():
                self._metrics["train"]["accuracy"].append(right[label == 1].mean().item())
            self._metrics["train"]["margin"].append(difference.mean().item())
        loss = preference_loss(difference, label, weight)
        return (loss, outputs) if return_outputs else loss

    def create_model_card(self, **_: Any) -> None:
        """None: a checkpoint is not a model to be published."""


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


def collator(pad_id: int) -> Callable[[Sequence[Mapping[str, Any]]], dict[str, torch.Tensor]]:
    """Batches for PreferenceTrainer: all chosen rows, then all rejected ones, padded on the right to the longest."""

    def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        texts = [torch.tensor(row[side]) for side in ("chosen_ids", "rejected_ids") for row in rows]
        lengths = torch.tensor([len(text) for text in texts])
        ids = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=pad_id)
        return {
            "input_ids": ids,
            "attention_mask": (torch.arange(ids.shape[1]) < lengths[:, None]).long(),
            "label": torch.tensor([row["label"] for row in rows]),
            "weight": torch.tensor([row["weight"] for row in rows]),
        }

    return collate


def trainer_config(folder: Path, **changes: Any) -> RewardConfig:
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


class Watch(TrainerCallback):
    """Tells the run how far it is, and stops training (after saving) when the run is cancelled."""

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.stopped = False

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> TrainerControl:
        """Progress; on cancellation a checkpoint and the end."""
        self.context.progress(state.global_step, state.max_steps, "training")
        if self.context.cancelled() and state.global_step < state.max_steps:
            self.stopped = control.should_save = control.should_training_stop = True
        return control

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float], **_: Any) -> None:
        """Loss, accuracy and margin of the last steps as curves."""
        kept = {key: logs[key] for key in ("loss", "accuracy", "margin", "grad_norm", "learning_rate") if key in logs}
        if kept:
            self.context.metric(state.global_step, **kept)
