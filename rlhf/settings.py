"""What each kind of run on this floor can be told; importable without torch (forms and `--set` read these classes)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from reward.settings import LARGEST_SEED


def option(default: Any, help: str, **about: Any) -> Any:
    """A field with the text a form shows; `about`: unit, main (stands above the fold), min, max."""
    return field(default=default, metadata={"help": help, **about})


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """Answers of a policy, and the pairs made of them for the labelers."""

    from_: str = option("", "policy that answers; empty: the newest one", main=True)
    against: str = option(
        "", "second policy: one answer of each per prompt, shown blind, to compare the two", main=True
    )
    prompts: int = option(
        100, "how many prompts; those answered least often come first", unit="prompts", main=True, min=1
    )
    per_prompt: int = option(2, "answers per prompt", unit="answers", main=True, min=1)
    temperature: float = option(
        1.0, "1 samples the policy as it is; lower is safer and more alike", main=True, min=1e-4, max=10.0
    )
    split: Literal["", "train", "validation", "test"] = option(
        "", "whose prompts; empty: train and a share of test, or test where two policies are compared"
    )
    test_share: float = option(
        0.15, "share of test prompts where no split is named: they measure, they never train", min=0.0, max=0.5
    )
    pairs: Literal["disjoint", "all", "ranking"] = option(
        "disjoint",
        "disjoint: no answer stands in two pairs; all: every two of a prompt; ranking: all of a prompt in one order",
    )
    project: str = option("", "labeling project that judges them; empty: Standard")
    priority: int = option(
        0, "its items are judged before those of a lower number, the begun ones first; 0 is usual", min=-1000, max=1000
    )
    max_new_tokens: int = option(80, "where an answer is cut", unit="tokens", min=1)
    batch_size: int = option(128, "answers generated at once", unit="answers", min=1)
    seed: int = option(0, "same seed, same answers", min=0, max=LARGEST_SEED)


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """Policies judged against another one on test prompts."""

    policies: tuple[str, ...] = option((), "policies to judge, by comma; empty: the newest one", main=True)
    against: str = option("", "the policy they are compared with; empty: each one's parent", main=True)
    reward: str = option("", "reward model that picks the best of n, and judges where judge=reward", main=True)
    judge: Literal["rubric", "reward"] = option(
        "rubric", "rubric: the documented one, for prompts it knows; reward: the reward model", main=True
    )
    prompts: int = option(
        300, "how many test prompts, always the same ones for one seed", unit="prompts", main=True, min=1
    )
    draws: int = option(2, "answers of each policy per prompt", unit="answers", min=1)
    best_of: int = option(
        8, "answers of the compared policy the best is picked from; 0: leave it out", unit="answers", min=0
    )
    agreement: float = option(0.73, "how often two simulated labelers agree, for the noisy win rate", min=0.5, max=1.0)
    max_new_tokens: int = option(80, "where an answer is cut", unit="tokens", min=1)
    batch_size: int = option(128, "answers generated at once", unit="answers", min=1)
    seed: int = option(0, "same seed, same answers", min=0, max=LARGEST_SEED)


@dataclass(frozen=True, slots=True)
class PretrainSettings:
    """A base model from raw text: a new one with a tokenizer of its own, or one that is continued."""

    text: str = option(
        "starter",
        "starter: the generated corpus; else a file (a document per line, .jsonl or .parquet) or a folder of them",
        main=True,
    )
    from_: str = option(
        "",
        "policy to continue, all of its weights; its sizes and tokenizer stay. Give a tenth of the rate. Empty: a new base",
    )
    column: str = option("text", "column of JSON lines or Parquet that holds the text")
    packing: bool = option(
        False,
        "documents end to end in rows of the whole context: nothing is padded or cut off; off: a document per row",
    )
    max_steps: int = option(4200, "optimizer steps", unit="steps", main=True, min=1)
    hidden_size: int = option(192, "width of the model", main=True, min=1)
    layers: int = option(6, "depth of the model", unit="layers", main=True, min=1)
    vocab_size: int = option(2048, "size of the byte-level BPE vocabulary", unit="tokens", main=True, min=300)
    heads: int = option(6, "attention heads; they share the width", min=1)
    context: int = option(256, "longest document, prompt and answer together", unit="tokens", min=1)
    batch_size: int = option(64, "documents per step", unit="documents", min=1)
    learning_rate: float = option(4e-3, "peak rate, shared by Muon and AdamW; warmed up, then linear to 0")
    seed: int = option(0, "same seed, same model", min=0, max=LARGEST_SEED)


@dataclass(frozen=True, slots=True)
class SFTSettings:
    """A policy that imitates instruction rows."""

    from_: str = option("", "policy to start from; empty: the first base", main=True)
    snapshot: str = option("", "snapshot of instruction rows; empty: all of the train split", main=True)
    epochs: float = option(1.0, "passes over the rows", main=True, min=0.0)
    learning_rate: float = option(1e-3, "peak rate; warmed up, then linear to 0", main=True)
    rank: int = option(8, "rank of the LoRA adapter", main=True, min=1)
    batch_size: int = option(32, "rows per step", unit="rows", min=1)
    packing: bool = option(
        False,
        "rows of a step end to end, without padding: pays where attention is by sequence lengths, as on a large GPU",
    )
    max_steps: int = option(0, "stop after this many steps; 0: at the end of the epochs", unit="steps", min=0)
    seed: int = option(0, "same seed, same policy", min=0, max=LARGEST_SEED)


@dataclass(frozen=True, slots=True)
class DPOSettings:
    """A policy straight from comparisons: no reward model, no sampling."""

    from_: str = option(
        "",
        "policy to start from, which is also the reference; empty: the newest one with weights of its own",
        main=True,
    )
    labels: str = option(
        "person+import",
        "whose labels: person, import, simulated, several joined by +, or all; +gold adds gold items",
        main=True,
    )
    beta: float = option(0.1, "price of leaving the start: large stays near it (of ipo its tau)", main=True, min=1e-6)
    learning_rate: float = option(1e-3, "peak rate; warmed up, then linear to 0", main=True, min=0.0, max=1.0)
    epochs: float = option(1.0, "passes over the comparisons", main=True, min=0.0)
    loss: Literal["sigmoid", "ipo"] = option(
        "sigmoid", "sigmoid: DPO; ipo: a margin per token that is reached, not run away with"
    )
    label_smoothing: float = option(
        0.0, "of sigmoid: share of labels taken to point the wrong way (conservative DPO)", min=0.0, max=0.49
    )
    snapshot: str = option("", "train on a frozen set of comparisons (s2) instead of the current ones")
    part: str = option("0-1", "part of the training prompts it learns from, by hash: 0-0.5 leaves 0.5-1 to a judge")
    rank: int = option(16, "rank of the LoRA adapter", min=1, max=1024)
    batch_size: int = option(16, "pairs per step", unit="pairs", min=1)
    max_steps: int = option(0, "stop after this many steps; 0: at the end of the epochs", unit="steps", min=0)
    seed: int = option(0, "same seed, same policy", min=0, max=LARGEST_SEED)


@dataclass(frozen=True, slots=True)
class BestOfNSettings:
    """A policy that answers with the best of n answers of another one."""

    from_: str = option(
        "", "policy whose answers are chosen among; empty: the newest one with weights of its own", main=True
    )
    reward: str = option("", "reward model that chooses; empty: the newest one", main=True)
    n: int = option(
        8, "answers drawn for each one given: n times the time to sample", unit="answers", main=True, min=2, max=1024
    )
    validation_prompts: int = option(64, "on which is measured how the reward rises with n", unit="prompts", min=0)
    max_new_tokens: int = option(80, "where an answer is cut while that is measured", unit="tokens", min=1)
    batch_size: int = option(128, "answers generated at once", unit="answers", min=1)
    seed: int = option(0, "same seed, same measurement", min=0, max=LARGEST_SEED)


@dataclass(frozen=True, slots=True)
class RejectionSettings:
    """A policy that imitates the best of n of its own answers."""

    from_: str = option("", "policy to start from; empty: the newest one with weights of its own", main=True)
    reward: str = option("", "reward model that chooses; empty: the newest one", main=True)
    n: int = option(8, "answers drawn to each prompt", unit="answers", main=True, min=2, max=1024)
    prompts_per_round: int = option(500, "how many train prompts a round answers", unit="prompts", main=True, min=1)
    rounds: int = option(
        2,
        "each samples from the newest policy and trains from the start again",
        unit="rounds",
        main=True,
        min=1,
        max=100,
    )
    prompts: str = option("", "source of the prompts; empty: all of the train split")
    learning_rate: float = option(1e-3, "peak rate; warmed up, then linear to 0", min=0.0, max=1.0)
    epochs: float = option(2.0, "passes over a round's answers", min=0.0)
    rank: int = option(16, "rank of the LoRA adapter", min=1, max=1024)
    batch_size: int = option(
        32, "rows per training step, and the measure of how many answers are drawn at once", unit="rows", min=1
    )
    max_steps: int = option(
        0, "stop a round's training after this many steps; 0: at the end of the epochs", unit="steps", min=0
    )
    max_new_tokens: int = option(80, "where an answer is cut", unit="tokens", min=1)
    seed: int = option(0, "same seed, same policy", min=0, max=LARGEST_SEED)
