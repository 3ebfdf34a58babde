# SPDX-License-Identifier: Apache-2.0
"""Settings of the data clinic's runs; importable without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from data.settings import BatchSize, CompletionLength, LearningRate, Rank, Seed, Settings, StartPolicy, option
from reward.placement_settings import PlacementSettings
from rlhf.settings import LastPrompt, LastRating, LastRow

RowCount = Annotated[int, Field(ge=1)]


class EmbedSettings(PlacementSettings):
    """Examine every instruction row of the train split with a model."""

    from_: StartPolicy = ""
    model: str = option("", main=True)
    clusters: int = option(12, unit="clusters", main=True, min=1)
    similarity: float = option(0.8, main=True, min=0.3, max=1.0)
    last_row: LastRow = 0
    batch_size: BatchSize = 64
    seed: Seed = 0


class CurateSettings(Settings):
    """Choose a number of rows that are good and diverse."""

    rows: int = option(500, unit="rows", main=True, min=0)
    min_quality: float = option(3.0, unit="points", main=True, min=0.0, max=5.0)
    pick: Literal["diverse", "random"] = option("diverse", main=True)
    ratings: Literal["person", "simulated", "all"] = option("person", main=True)
    name: str = option("", main=True)
    embedded: str = ""
    last_rating: LastRating = 0
    seed: Seed = 0


class TrialSettings(PlacementSettings):
    """Settings that all trainings of a trial share: only the rows differ."""

    from_: StartPolicy = ""
    steps: int = option(150, unit="steps", main=True, min=1)
    judge: Literal["rubric", "reward"] = option("rubric", main=True)
    reward: str = option("", main=True)
    prompts: int = option(300, unit="prompts", min=1)
    last_prompt: LastPrompt = 0
    draws: int = option(2, unit="completions", min=1)
    learning_rate: LearningRate = 1e-3
    rank: Rank = 8
    batch_size: BatchSize = 32
    max_new_tokens: CompletionLength = 80
    seed: Seed = 0


class QuantitySettings(TrialSettings):
    """Train on nested subsets of growing size, for the same number of steps each."""

    snapshot: str = option("", main=True)
    counts: tuple[RowCount, ...] = option(
        (250, 500, 1000, 2000, 4000),
        unit="rows",
        main=True,
    )


class ABSettings(TrialSettings):
    """Train on two snapshots for the same number of steps, and compare the policies."""

    a: str = option("", main=True)
    b: str = option("", main=True)
