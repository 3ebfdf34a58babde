# SPDX-License-Identifier: Apache-2.0
"""Settings of the kinds of run that have no package of their own; importable without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from data.settings import (
    BatchSize,
    CompletionLength,
    LearningRate,
    Rank,
    Seed,
    Settings,
    StartPolicy,
    StepLimit,
    option,
)

SplitName = Annotated[
    Literal["", "train", "validation", "test"],
    option("", "split of the prompts; empty: train and a share of test"),
]
TestShare = Annotated[
    float, option(0.15, "share of test prompts if no split is named; they never train", min=0.0, max=0.5)
]
PairRule = Annotated[
    Literal["disjoint", "all", "ranking"],
    option(
        "disjoint",
        "disjoint: each completion is in one pair; all: every pair of a prompt; ranking: all completions of a prompt",
    ),
]
ProjectName = Annotated[str, option("", "labeling project of the pairs; empty: Standard")]
Priority = Annotated[
    int, option(0, "labelers get the items with the highest number first; 0 is usual", min=-1000, max=1000)
]
RewardName = Annotated[str, option("", "reward model; empty: the newest one", main=True)]
DrawCount = Annotated[int, option(8, "completions per prompt", unit="completions", main=True, min=2, max=1024)]
Epochs = Annotated[float, option(1.0, "passes over the rows", min=0.0)]
LastPrompt = Annotated[
    int, option(0, "number of the newest prompt that the run may use; 0: that of the moment when it is queued", min=0)
]
LastRow = Annotated[
    int, option(0, "number of the newest row that the run may use; 0: that of the moment when it is queued", min=0)
]
LastRating = Annotated[
    int, option(0, "number of the newest rating that the run may use; 0: that of the moment when it is queued", min=0)
]
GenerationBatch = Annotated[BatchSize, option(128, "completions generated at once", unit="completions")]


class SampleSettings(Settings):
    """Sample completions of a policy, and make pairs of them for the labelers."""

    from_: StartPolicy = option("", "policy to sample; empty: the newest one")
    against: str = option("", "second policy: pairs hold one completion of each, shown blind", main=True)
    prompts: int = option(
        100, "number of prompts; those with the fewest completions come first", unit="prompts", main=True, min=1
    )
    per_prompt: int = option(2, "completions per prompt", unit="completions", main=True, min=1)
    temperature: float = option(
        1.0, "1 samples the policy unchanged; lower values give more similar completions", main=True, min=1e-4, max=10.0
    )
    split: SplitName = option(
        "", "split of the prompts; empty: train and a share of test, or only test if `against` is given"
    )
    test_share: TestShare = 0.15
    last_prompt: LastPrompt = 0
    pairs: PairRule = "disjoint"
    project: ProjectName = ""
    priority: Priority = 0
    max_new_tokens: CompletionLength = 80
    batch_size: GenerationBatch = 128
    seed: Seed = option(0, "the same seed gives the same completions")


class CompareSettings(Settings):
    """Compare policies with another one on test prompts."""

    policies: tuple[str, ...] = option((), "policies to judge, separated by commas; empty: the newest one", main=True)
    against: str = option("", "policy to compare with; empty: the parent of each", main=True)
    reward: RewardName = option("", "reward model for the reward figures, best of n and judge=reward; empty: none")
    judge: Literal["rubric", "reward"] = option(
        "rubric", "rubric: the documented rubric, for prompts it covers; reward: the reward model", main=True
    )
    prompts: int = option(
        300, "number of test prompts; the same seed gives the same ones", unit="prompts", main=True, min=1
    )
    last_prompt: LastPrompt = 0
    draws: int = option(2, "completions per policy and prompt", unit="completions", min=1)
    best_of: int = option(
        8, "completions that best of n chooses from; 0: leave best of n out", unit="completions", min=0
    )
    agreement: float = option(
        0.73, "agreement between two simulated labelers, for the noisy win rate", min=0.5, max=1.0
    )
    max_new_tokens: CompletionLength = 80
    batch_size: GenerationBatch = 128
    seed: Seed = option(0, "the same seed gives the same completions")


class PretrainSettings(Settings):
    """Train a base model from raw text: a new one with its own tokenizer, or an existing one further."""

    text: str = option(
        "starter",
        "starter: the generated corpus; else a file (one document per line, .jsonl or .parquet) or a folder of files",
        main=True,
    )
    from_: str = option(
        "",
        "policy whose weights to train further, at a tenth of the learning rate; empty: a new base model",
    )
    column: str = option("text", "column of JSON lines or Parquet that holds the text")
    packing: bool = option(
        False, "join documents end to end and cut them into full rows, without padding; off: one document per row"
    )
    max_steps: int = option(4200, "optimizer steps", unit="steps", main=True, min=1)
    hidden_size: int = option(192, "width of the model", main=True, min=1)
    layers: int = option(6, "depth of the model", unit="layers", main=True, min=1)
    vocab_size: int = option(2048, "size of the byte-level BPE vocabulary", unit="tokens", main=True, min=300)
    heads: int = option(6, "attention heads; they share the width", min=1)
    context: int = option(256, "longest document; prompt and completion together", unit="tokens", min=1)
    batch_size: BatchSize = option(64, "documents per step", unit="documents")
    learning_rate: LearningRate = option(4e-3, "peak rate of Muon and AdamW: warmed up, then linear to 0")
    seed: Seed = option(0, "the same seed gives the same model")


class SFTSettings(Settings):
    """Train a policy to imitate instruction rows."""

    from_: StartPolicy = ""
    snapshot: str = option("", "snapshot of instruction rows; empty: the whole train split", main=True)
    epochs: Epochs = option(1.0, main=True)
    learning_rate: LearningRate = option(1e-3, main=True)
    rank: Rank = option(8, main=True)
    batch_size: BatchSize = 32
    packing: bool = option(False, "join the rows of a step end to end, without padding; faster on large GPUs")
    max_steps: StepLimit = 0
    seed: Seed = option(0, "the same seed gives the same policy")


class DPOSettings(Settings):
    """Train a policy on comparisons directly: no reward model, no sampling."""

    from_: StartPolicy = option(
        "", "policy to start from, which is also the reference policy; empty: the newest one with its own weights"
    )
    labels: str = option(
        "person+import",
        "labels to train on: person, import, simulated, several joined by +, or all; +gold adds gold items",
        main=True,
    )
    beta: float = option(
        0.1, "weight of the KL to the reference policy; larger values stay nearer (tau of ipo)", main=True, min=1e-6
    )
    learning_rate: LearningRate = option(1e-3, main=True)
    epochs: Epochs = option(1.0, "passes over the comparisons", main=True)
    loss: Literal["sigmoid", "ipo"] = option(
        "sigmoid", "sigmoid: DPO; ipo: a fixed margin per token as the target, which limits overfitting"
    )
    label_smoothing: float = option(
        0.0, "share of labels assumed to be wrong (conservative DPO); sigmoid only", min=0.0, max=0.49
    )
    snapshot: str = option("", "snapshot of comparisons to train on, such as s2; empty: the current comparisons")
    part: str = option("0-1", "part of the training prompts to learn from, by hash; 0-0.5 leaves 0.5-1 for a judge")
    rank: Rank = 16
    batch_size: BatchSize = option(16, "pairs per step", unit="pairs")
    max_steps: StepLimit = 0
    seed: Seed = option(0, "the same seed gives the same policy")


class BestOfNSettings(Settings):
    """Make a policy that answers with the best of n completions of another policy."""

    from_: StartPolicy = option("", "policy to draw from; empty: the newest one with its own weights")
    reward: RewardName = option("", "reward model that chooses; empty: the newest one")
    n: DrawCount = option(8, "completions drawn per answer; sampling takes n times as long")
    validation_prompts: int = option(64, "prompts on which the run measures the reward by n", unit="prompts", min=0)
    last_prompt: LastPrompt = 0
    max_new_tokens: CompletionLength = option(80, "longest completion of that measurement", unit="tokens")
    batch_size: GenerationBatch = 128
    seed: Seed = option(0, "the same seed gives the same measurement")


class RejectionSettings(Settings):
    """Train a policy to imitate the best of n of its own completions."""

    from_: StartPolicy = option("", "policy to start from; empty: the newest one with its own weights")
    reward: RewardName = option("", "reward model that chooses; empty: the newest one")
    n: DrawCount = 8
    prompts_per_round: int = option(500, "train prompts per round", unit="prompts", main=True, min=1)
    rounds: int = option(
        2,
        "rounds; each samples the newest policy and trains again from the start policy",
        unit="rounds",
        main=True,
        min=1,
        max=100,
    )
    prompts: str = option("", "source of the prompts; empty: the whole train split")
    last_prompt: LastPrompt = 0
    learning_rate: LearningRate = 1e-3
    epochs: Epochs = option(2.0, "passes over the completions of a round")
    rank: Rank = 16
    batch_size: BatchSize = option(32, "rows per training step; also scales how many completions are drawn at once")
    max_steps: StepLimit = option(0, "stop the training of a round after this many steps; 0: train all epochs")
    max_new_tokens: CompletionLength = 80
    seed: Seed = option(0, "the same seed gives the same policy")
