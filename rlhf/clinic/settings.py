# SPDX-License-Identifier: Apache-2.0
"""Settings of the data clinic's runs; importable without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from data.settings import BatchSize, CompletionLength, LearningRate, Rank, Seed, Settings, StartPolicy, option
from rlhf.settings import LastPrompt, LastRating, LastRow

RowCount = Annotated[int, Field(ge=1)]


class EmbedSettings(Settings):
    """Examine every instruction row of the train split with a model."""

    from_: StartPolicy = option("", "policy that reads the rows; empty: the first one")
    model: str = option(
        "", "sentence-transformers model for the vectors; empty: mean hidden states of the policy", main=True
    )
    clusters: int = option(12, "clusters of similar instructions on the map", unit="clusters", main=True, min=1)
    similarity: float = option(
        0.8, "share of common word triples that makes two rows near-duplicates", main=True, min=0.3, max=1.0
    )
    last_row: LastRow = 0
    batch_size: BatchSize = option(64, "rows read at once")
    seed: Seed = option(0, "the same seed gives the same clusters")


class CurateSettings(Settings):
    """Choose a number of rows that are good and diverse."""

    rows: int = option(500, "number of rows; 0: all that are good enough", unit="rows", main=True, min=0)
    min_quality: float = option(
        3.0, "lowest quality of a row, from 0 to 5; 0: ignore quality", unit="points", main=True, min=0.0, max=5.0
    )
    pick: Literal["diverse", "random"] = option(
        "diverse", "diverse: k-centre; random: a random choice, to compare with", main=True
    )
    ratings: Literal["person", "simulated", "all"] = option("person", "ratings that teach quality", main=True)
    name: str = option("", "name of the snapshot; empty: made from the settings", main=True)
    embedded: str = option("", "embed run that holds the vectors; empty: the newest one")
    last_rating: LastRating = 0
    seed: Seed = option(0, "the same seed gives the same rows")


class TrialSettings(Settings):
    """Settings that all trainings of a trial share: only the rows differ."""

    from_: StartPolicy = option("", "policy that every training starts from; empty: the first one")
    steps: int = option(150, "steps of each training, for any number of rows", unit="steps", main=True, min=1)
    judge: Literal["rubric", "reward"] = option(
        "rubric", "rubric: for prompts it covers; reward: a reward model", main=True
    )
    reward: str = option("", "reward model for judge=reward", main=True)
    prompts: int = option(300, "test prompts", unit="prompts", min=1)
    last_prompt: LastPrompt = 0
    draws: int = option(2, "completions per policy and prompt", unit="completions", min=1)
    learning_rate: LearningRate = 1e-3
    rank: Rank = 8
    batch_size: BatchSize = 32
    max_new_tokens: CompletionLength = 80
    seed: Seed = option(0, "the same seed gives the same policies")


class QuantitySettings(TrialSettings):
    """Train on nested subsets of growing size, for the same number of steps each."""

    snapshot: str = option("", "snapshot to take the subsets from; empty: the whole train split", main=True)
    counts: tuple[RowCount, ...] = option(
        (250, 500, 1000, 2000, 4000),
        "sizes of the subsets, separated by commas; the run adds one with all rows",
        unit="rows",
        main=True,
    )


class ABSettings(TrialSettings):
    """Train on two snapshots for the same number of steps, and compare the policies."""

    a: str = option("", "first snapshot of instruction rows; empty: the whole train split", main=True)
    b: str = option("", "second snapshot; empty: the whole train split", main=True)
