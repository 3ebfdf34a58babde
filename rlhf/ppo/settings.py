"""What a PPO run can be told; importable without torch (forms and `--set` read this class)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reward.settings import LARGEST_SEED
from rlhf.settings import option


@dataclass(frozen=True, slots=True)
class PPOSettings:
    """A policy that a reward model likes better, kept near the one it starts from."""

    from_: str = option("", "policy to start from, and to stay near; empty: the newest one", main=True)
    reward: str = option("", "reward model or reward source that judges; empty: the newest reward model", main=True)
    max_steps: int = option(
        36, "updates at most; each samples a batch of answers and trains on it", unit="updates", main=True, min=1
    )
    kl_target: float = option(
        3.0,
        "distance from the start the run steers to; 0: the price of KL stays fixed",
        unit="nats per answer",
        main=True,
        min=0.0,
        max=1e3,
    )
    learning_rate: float = option(
        1.5e-3, "peak rate of the LoRA matrices; warmed up, then linear to 0", main=True, min=0.0, max=1.0
    )
    guard: str = option(
        "",
        "second reward, trained on other labels: watches, chooses what is kept, ends an over-optimised run; empty: none",
    )
    uncertainty: float = option(
        0.0,
        "subtracted for each standard deviation that the members of the reward's ensemble are apart; 0: their mean",
        min=0.0,
        max=1e3,
    )
    prompts: str = option("", "source of the prompts; empty: all prompts of the train split (never others)")
    kl_budget: float = option(
        6.0, "distance at which the run ends; nothing beyond it is kept", unit="nats per answer", min=0.01, max=1e3
    )
    kl_coef: float = option(
        0.05, "price of a nat of KL at the start, in standard deviations of the reward", min=0.0, max=1e3
    )
    critic: Literal["auto", "joint", "adapter", "reward"] = option(
        "auto",
        "what predicts the reward: a head on the policy, an adapter of its own, or one that starts as the reward model; "
        "auto: the last where the reward model has the policy's base, else the first",
    )
    batch_size: int = option(
        128, "answers sampled for an update; a multiple of 32", unit="answers", min=32, multiple_of=32
    )
    epochs: int = option(2, "passes over the answers of an update", min=1)
    max_new_tokens: int = option(80, "where an answer is cut", unit="tokens", min=1)
    temperature: float = option(1.0, "of sampling, and of every log-probability alike", min=0.01, max=10.0)
    missing_eos_penalty: float = option(
        1.0, "subtracted where an answer has no end, in standard deviations of the reward", min=0.0, max=1e3
    )
    validation_prompts: int = option(128, "prompts on which the kept checkpoint is chosen", unit="prompts", min=1)
    validate_every: int = option(4, "updates between two looks at them", unit="updates", min=1)
    rank: int = option(16, "rank of the LoRA adapter, where the start has none", min=1)
    bf16: bool = option(False, "sample and train in bfloat16; log-probabilities stay in float32")
    seed: int = option(0, "same seed, same run", min=0, max=LARGEST_SEED)
