# SPDX-License-Identifier: Apache-2.0
"""Settings of a PPO run; importable without torch."""

from __future__ import annotations

from typing import Literal

from data.settings import CompletionLength, LearningRate, Rank, Seed, StartPolicy, option
from reward.placement_settings import PlacementSettings
from reward.training_settings import LoraSettings
from rlhf.settings import LastPrompt, RewardName


class PPOSettings(LoraSettings, PlacementSettings):
    """Train a policy towards a higher reward while it stays near the policy it starts from."""

    from_: StartPolicy = ""
    reward: RewardName = ""
    max_steps: int = option(36, unit="updates", main=True, min=1)
    kl_target: float = option(
        3.0,
        unit="nats_per_answer",
        main=True,
        min=0.0,
        max=1e3,
    )
    learning_rate: LearningRate = option(1.5e-3, main=True)
    guard: str = ""
    uncertainty: float = option(
        0.0,
        min=0.0,
        max=1e3,
    )
    prompts: str = ""
    last_prompt: LastPrompt = 0
    kl_budget: float = option(6.0, unit="nats_per_answer", min=0.01, max=1e3)
    kl_coef: float = option(0.05, min=0.0, max=1e3)
    critic: Literal["auto", "joint", "adapter", "reward"] = "auto"
    batch_size: int = option(128, unit="completions", min=32, multiple_of=32)
    epochs: int = option(2, min=1)
    max_new_tokens: CompletionLength = 80
    temperature: float = option(1.0, min=0.01, max=10.0)
    missing_eos_penalty: float = option(
        1.0,
        min=0.0,
        max=1e3,
    )
    validation_prompts: int = option(128, unit="prompts", min=1)
    validate_every: int = option(4, unit="updates", min=1)
    rank: Rank = 16
    bf16: bool = False
    seed: Seed = 0
