# SPDX-License-Identifier: Apache-2.0
"""Settings of a PPO run; importable without torch."""

from __future__ import annotations

from typing import Literal

from data.settings import CompletionLength, LearningRate, Rank, Seed, Settings, StartPolicy, option
from rlhf.settings import LastPrompt, RewardName


class PPOSettings(Settings):
    """Train a policy towards a higher reward while it stays near the policy it starts from."""

    from_: StartPolicy = option("", "policy to start from, which is also the reference policy; empty: the newest one")
    reward: RewardName = option("", "reward model or external reward; empty: the newest reward model")
    max_steps: int = option(36, "most updates; each samples a batch and trains on it", unit="updates", main=True, min=1)
    kl_target: float = option(
        3.0,
        "KL that the controller aims at; 0: the KL coefficient stays fixed",
        unit="nats per answer",
        main=True,
        min=0.0,
        max=1e3,
    )
    learning_rate: LearningRate = option(
        1.5e-3, "peak rate of the LoRA matrices: warmed up, then linear to 0", main=True
    )
    guard: str = option(
        "",
        "second reward model, trained on other labels: chooses the checkpoint, ends an over-optimised run. Empty: none",
    )
    uncertainty: float = option(
        0.0,
        "subtract this many standard deviations of the ensemble's members from the reward; 0: use their mean",
        min=0.0,
        max=1e3,
    )
    prompts: str = option("", "source of the prompts, train split only; empty: the whole train split")
    last_prompt: LastPrompt = 0
    kl_budget: float = option(
        6.0, "KL at which the run ends; no checkpoint beyond it is used", unit="nats per answer", min=0.01, max=1e3
    )
    kl_coef: float = option(
        0.05, "first KL coefficient, in standard deviations of the reward per nat", min=0.0, max=1e3
    )
    critic: Literal["auto", "joint", "adapter", "reward"] = option(
        "auto",
        "joint: a value head on the policy; adapter: an adapter of its own; reward: starts as the reward model; "
        "auto: reward if both have the same base model, else joint",
    )
    batch_size: int = option(
        128, "completions per update, a multiple of 32", unit="completions", min=32, multiple_of=32
    )
    epochs: int = option(2, "passes over the completions of an update", min=1)
    max_new_tokens: CompletionLength = 80
    temperature: float = option(1.0, "temperature of sampling and of all log-probabilities", min=0.01, max=10.0)
    missing_eos_penalty: float = option(
        1.0,
        "subtracted from the reward of a completion that was cut off, in standard deviations of the reward",
        min=0.0,
        max=1e3,
    )
    validation_prompts: int = option(128, "prompts that choose the checkpoint", unit="prompts", min=1)
    validate_every: int = option(4, "updates between two validations", unit="updates", min=1)
    rank: Rank = option(16, "rank of the LoRA adapter, if the start policy has none")
    bf16: bool = option(False, "sample and train in bfloat16; log-probabilities stay in float32")
    seed: Seed = 0
