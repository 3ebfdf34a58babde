# SPDX-License-Identifier: Apache-2.0
"""The settings of a run that trains a reward model. Importable without torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from data.records import RewardRole
from data.settings import BatchSize, LearningRate, Rank, Seed, StepLimit, option
from reward.placement_settings import PlacementSettings
from reward.prompt_parts import ALL
from reward.training_settings import LoraSettings, TrainerSettings


class RewardSettings(LoraSettings, TrainerSettings, PlacementSettings):
    """Train a LoRA reward model on the stored comparisons. The defaults are the measured recipe."""

    shardable: ClassVar[bool] = True

    labels: str = option(
        "person+import",
        main=True,
    )
    from_: str = option("", main=True)
    method: Literal["auto", "heads", "lora"] = option("auto", main=True)
    epochs: int = option(0, unit="epochs", min=0, max=100)
    learning_rate: LearningRate = option(1e-3, main=True)
    seed: Seed = option(0, main=True)
    snapshot: str = ""
    role: RewardRole = "driver"
    guard: Literal["auto", "yes", "no"] = "auto"
    part: str = ALL
    weights: Literal["equal", "reliability"] = "equal"
    members: int = option(1, unit="members", min=1, max=16)
    likelihood: Literal["bradley-terry", "rao-kupper", "graded"] = "graded"
    label_smoothing: float = option(0.0, min=0.0, max=0.5)
    centring: float = option(0.0, min=0.0)
    rank: Rank = 16
    batch_size: BatchSize = option(8, unit="pairs")
    max_steps: StepLimit = 0
    curve: bool = False
    base: str = ""
