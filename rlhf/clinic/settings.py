"""What the clinic's runs can be told; importable without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlhf.settings import option


@dataclass(frozen=True, slots=True)
class EmbedSettings:
    """Every instruction row of the train split, looked at by a model."""

    from_: str = option("", "policy that reads the rows; empty: the first one", main=True)
    model: str = option(
        "", "a sentence-transformers model for the vectors; empty: mean hidden states of the policy", main=True
    )
    clusters: int = option(12, "groups of like instructions on the map", unit="clusters", main=True, min=1)
    similarity: float = option(
        0.8, "share of word triples from which two rows are near-duplicates", main=True, min=0.3, max=1.0
    )
    batch_size: int = option(64, "rows read at once", unit="rows", min=1)
    seed: int = option(0, "same seed, same clusters")


@dataclass(frozen=True, slots=True)
class CurateSettings:
    """A recipe: so many rows, good enough, as different as can be."""

    rows: int = option(500, "how many rows; 0: all that are good enough", unit="rows", main=True, min=0)
    min_quality: float = option(
        3.0,
        "points (0 to 5) a row must be worth; 0: quality does not count",
        unit="points",
        main=True,
        min=0.0,
        max=5.0,
    )
    pick: Literal["diverse", "random"] = option(
        "diverse", "diverse: k-centre; random: any that pass, to compare with", main=True
    )
    ratings: Literal["person", "simulated", "all"] = option(
        "person", "whose ratings quality is learned from", main=True
    )
    name: str = option("", "the snapshot's name; empty: made from the recipe", main=True)
    embedded: str = option("", "the embed run whose vectors are used; empty: the newest")
    seed: int = option(0, "same seed, same rows")


@dataclass(frozen=True, slots=True)
class TrialSettings:
    """What every training and every judgement of a trial share, so that the rows alone differ."""

    from_: str = option("", "policy that every training starts from; empty: the first one", main=True)
    steps: int = option(150, "steps of each training, whatever the number of rows", unit="steps", main=True, min=1)
    judge: Literal["rubric", "reward"] = option(
        "rubric", "rubric: for prompts it knows; reward: a reward model", main=True
    )
    reward: str = option("", "the reward model that judges where judge=reward", main=True)
    prompts: int = option(300, "test prompts", unit="prompts", min=1)
    draws: int = option(2, "answers of each policy per prompt", unit="answers", min=1)
    learning_rate: float = option(1e-3, "peak rate; warmed up, then linear to 0")
    rank: int = option(8, "rank of the LoRA adapter", min=1)
    batch_size: int = option(32, "rows per step", unit="rows", min=1)
    max_new_tokens: int = option(80, "where an answer is cut", unit="tokens", min=1)
    seed: int = option(0, "same seed, same policies")


@dataclass(frozen=True, slots=True)
class QuantitySettings(TrialSettings):
    """Nested subsets of growing size, trained equally long."""

    snapshot: str = option("", "snapshot the subsets are taken from; empty: all rows of the train split", main=True)
    counts: tuple[int, ...] = option(
        (250, 500, 1000, 2000, 4000), "sizes by comma; all rows are added", unit="rows", main=True, min=1
    )


@dataclass(frozen=True, slots=True)
class ABSettings(TrialSettings):
    """Two snapshots, trained equally long, judged against each other."""

    a: str = option("", "first snapshot of instruction rows; empty: all rows of the train split", main=True)
    b: str = option("", "second snapshot; empty: all rows of the train split", main=True)
