# SPDX-License-Identifier: Apache-2.0
"""The settings of a run that trains a reward model. Importable without torch."""

from __future__ import annotations

from typing import Literal

from data.settings import BatchSize, LearningRate, Rank, Seed, Settings, StepLimit, option
from reward.prompt_parts import ALL


class RewardSettings(Settings):
    """Train a LoRA reward model on the stored comparisons. The defaults are the measured recipe."""

    labels: str = option(
        "person+import",
        "labels to train on: person, import, simulated, several joined by +, or all; +gold adds gold items",
        main=True,
    )
    from_: str = option("", "policy to start from, such as p2; empty: the base model itself", main=True)
    epochs: int = option(
        1, "passes over the comparisons; a second one mostly memorises noise", unit="epochs", main=True, min=1, max=100
    )
    learning_rate: LearningRate = option(1e-3, "rate of AdamW; 1e-4 hardly learns in one epoch", main=True)
    seed: Seed = option(0, "the same seed gives the same reward model", main=True)
    snapshot: str = option("", "snapshot of comparisons to train on, such as s2; empty: the current comparisons")
    part: str = option(ALL, "part of the training prompts to learn from, by hash; 0-0.5 and 0.5-1 share no prompt")
    weights: Literal["equal", "reliability"] = option(
        "equal", "equal: every comparison has the same weight; reliability: the labeler's measured reliability"
    )
    members: int = option(
        1, "reward models of the ensemble, trained one after the other", unit="members", min=1, max=16
    )
    likelihood: Literal["bradley-terry", "rao-kupper", "graded"] = option(
        "graded",
        "bradley-terry: a tie is half a win for each; rao-kupper: a tie is an outcome of its own; "
        "graded: every grade of the verdict is an outcome",
    )
    label_smoothing: float = option(0.0, "share of labels assumed to be wrong", min=0.0, max=0.5)
    centring: float = option(
        0.0, "weight of the squared sum of both scores, which keeps their mean near 0; 0.01 is usual", min=0.0
    )
    rank: Rank = 16
    batch_size: BatchSize = option(8, "mean number of pairs per step; 16 learn less from few labels", unit="pairs")
    max_steps: StepLimit = 0
    curve: bool = option(
        False, "also train on 1/8, 1/4 and 1/2 of the labels, to estimate the gain of more labels; takes twice as long"
    )
    base: str = option(
        "", "base model without `from`: starter, a folder or a downloaded hub id; empty: that of the newest policy"
    )
