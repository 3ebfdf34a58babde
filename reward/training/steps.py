# SPDX-License-Identifier: Apache-2.0
"""Optimizer steps of a training: which rows they hold, and how processes and passes share them.

The rows of a step depend on seed and epoch alone, so any number of processes trains on the same ones. Every process
makes the same number of passes. A pass may hold fewer rows than that of another process, so its loss has a weight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler
from transformers import Trainer

from reward.base import distributed

BUCKET = 8
"""Steps that are sorted by length together: enough to save padding, few enough to keep the order random."""
IGNORED = -100
"""The label of a token that counts in no loss."""


class StepSampler(Sampler[list[int]]):
    """The passes of this process: `rows` rows in a step, of similar length, in passes of at most `size`.

    A process without a row in a pass computes one whose loss has the weight 0.
    """

    def __init__(self, lengths: Sequence[int], rows: int, size: int, seed: int) -> None:
        self.lengths, self.rows, self.size, self.seed, self.epoch = lengths, rows, size, seed, 0

    def __len__(self) -> int:
        whole, rest = divmod(len(self.lengths), self.rows)
        return whole * len(self._passes(range(self.rows))) + len(self._passes(range(rest)))

    @property
    def batch_sampler(self) -> StepSampler:
        """This sampler, where transformers looks for the one whose epoch it sets."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which selects the order."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps():
            yield from (own or step[:1] for own in self._passes(step))

    def steps(self) -> list[list[int]]:
        """Return the rows of every step of the epoch; only the last step may be short."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator).tolist()
        steps: list[list[int]] = []
        for start in range(0, len(order), self.rows * BUCKET):
            bucket = sorted(order[start : start + self.rows * BUCKET], key=self.lengths.__getitem__)
            slices = [bucket[at : at + self.rows] for at in range(0, len(bucket), self.rows)]
            steps += [slices[i] for i in torch.randperm(len(slices), generator=generator).tolist()]
        return sorted(steps, key=lambda step: len(step) < self.rows)

    def weights(self, step: int) -> list[float]:
        """Return the share of an epoch's step that each of this process's passes holds."""
        rows = min(self.rows, len(self.lengths) - self.rows * step)
        return [len(own) / rows for own in self._passes(range(rows))]

    @property
    def steps_per_epoch(self) -> int:
        """The number of steps of an epoch."""
        return -(-len(self.lengths) // self.rows)

    def _passes(self, step: Sequence[int]) -> list[list[int]]:
        processes = distributed.world_size()
        blocks = (step[at : at + processes * self.size] for at in range(0, len(step), processes * self.size))
        return [list(block[distributed.rank() :: processes]) for block in blocks]


class StepTrainer(Trainer):
    """A part of a Trainer whose steps hold the same rows in any number of processes."""

    step_rows: int
    """The rows of an optimizer step, in all processes together."""

    def row_lengths(self) -> list[int]:
        """Return the length of every training row."""
        raise NotImplementedError

    def get_train_dataloader(self) -> DataLoader:
        """Return the passes of this process, which accelerate must not share once more."""
        size = self.args.train_batch_size
        self._steps = StepSampler(self.row_lengths(), self.step_rows, size, self.args.seed)
        return DataLoader(self.train_dataset, batch_sampler=self._steps, collate_fn=self.data_collator)  # type: ignore[arg-type]  # a Dataset is a map

    def get_batch_samples(self, epoch_iterator: Iterator, num_batches: int, device: torch.device) -> Any:  # noqa: ANN401 (Trainer's own)
        """Read the passes of the next step, and their weights."""
        self._weights = self._steps.weights(self.state.global_step % self._steps.steps_per_epoch)
        return super().get_batch_samples(epoch_iterator, num_batches, device)

    def _get_num_items_in_batch(self, batch_samples: list, device: torch.device) -> torch.Tensor | int | None:
        if self.model is not None and self.model.training:
            for batch, weight in zip(batch_samples, self._weights, strict=True):
                if not weight and "labels" in batch:
                    batch["labels"] = torch.full_like(batch["labels"], IGNORED)
        return super()._get_num_items_in_batch(batch_samples, device)

    def next_weight(self) -> float:
        """Return the weight of the next pass's mean loss in its step; DDP averages over processes."""
        return self._weights.pop(0) * distributed.world_size()
