# SPDX-License-Identifier: Apache-2.0
"""Settings of a PPO run; importable without torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from data.settings import CompletionLength, LearningRate, Rank, Seed, StartPolicy, option
from labeling.texts.pages import bad_input
from reward.placement_settings import PlacementSettings
from reward.training_settings import LoraSettings
from rlhf.settings import JudgedSettings, LastPrompt, RewardName, TemplateSettings

NO_GUARD = "none"
"""The value of `guard` that asks for a run without one."""


class PPOSettings(TemplateSettings, LoraSettings, PlacementSettings, JudgedSettings):
    """Train a policy towards a higher reward while it stays near the policy it starts from."""

    shardable: ClassVar[bool] = True

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
    people: int = option(0, unit="pairs", min=0, max=1000)
    uncertainty: float = option(
        0.0,
        min=0.0,
        max=1e3,
    )
    prompts: str = ""
    last_prompt: LastPrompt = 0
    kl_budget: float = option(6.0, unit="nats_per_answer", min=0.01, max=1e3)
    kl_coef: float = option(0.05, min=0.0, max=1e3)
    estimator: Literal["group", "gae"] = "group"
    group_size: int = option(8, unit="completions", min=2)
    critic: Literal["auto", "joint", "adapter", "reward"] = "auto"
    minibatch: int = option(32, unit="completions", min=1)
    batch_size: int = option(128, unit="completions", min=1)
    per_device_batch_size: int = option(0, unit="completions", min=0)
    gradient_checkpointing: bool = False
    epochs: int = option(2, min=1)
    max_new_tokens: CompletionLength = 80
    temperature: float = option(1.0, min=0.01, max=10.0)
    missing_eos_penalty: float = option(
        1.0,
        min=0.0,
        max=1e3,
    )
    reward_clip: float = option(0.0, unit="deviations", min=0.0, max=1e3)
    length_penalty: float = option(0.0, unit="deviations_per_token", min=0.0, max=1e3)
    length_free: int = option(0, unit="tokens", min=0)
    kl_estimator: Literal["k1", "k2", "k3"] = "k1"
    kl_horizon: float = option(256.0, unit="completions", min=1.0, max=1e9)
    gamma: float = option(1.0, min=0.0, max=1.0)
    lam: float = option(0.95, min=0.0, max=1.0)
    cliprange: float = option(0.2, min=0.01, max=1.0)
    cliprange_value: float = option(0.2, min=0.0, max=1e3)
    dual_clip: float = option(0.0, min=0.0, max=1e3)
    target_kl: float = option(0.0, unit="nats_per_token", min=0.0, max=1e3)
    vf_coef: float = option(0.5, min=0.0, max=1e3)
    whiten_rewards: bool = False
    whiten_advantages: bool = True
    importance_cap: float = option(2.0, min=0.0, max=1e3)
    warmup: float = option(0.05, min=0.0, max=0.9)
    weight_decay: float = option(0.0, min=0.0, max=1.0)
    adam_epsilon: float = option(1e-5, min=1e-12, max=1.0)
    validation_prompts: int = option(128, unit="prompts", min=1)
    validate_every: int = option(4, unit="updates", min=1)
    rank: Rank = 16
    bf16: bool = False
    seed: Seed = 0

    @property
    def guard_name(self) -> str:
        """The guard's name; empty without one."""
        return "" if self.guard == NO_GUARD else self.guard

    @model_validator(mode="after")
    def _check_sizes(self) -> PPOSettings:
        """Raise BadInput for sizes that do not divide each other, a critic that none needs, and too low a dual clip."""
        if self.estimator == "group" and self.critic != "auto":
            raise bad_input("refused.critic", field="critic", critic=self.critic)
        if self.batch_size % self.minibatch:
            below = max(self.minibatch, self.batch_size // self.minibatch * self.minibatch)
            raise bad_input(
                "refused.batch_size",
                field="batch_size" if "batch_size" in self.model_fields_set else "minibatch",
                batch_size=self.batch_size,
                minibatch=self.minibatch,
                below=below,
                above=below + self.minibatch,
            )
        if self.estimator == "group" and self.batch_size == 1:
            raise bad_input("refused.batch_of_one", field="batch_size")
        if self.estimator == "group" and self.batch_size % min(self.group_size, self.batch_size):
            raise bad_input(
                "refused.group_size",
                field="group_size",
                group_size=self.group_size,
                batch_size=self.batch_size,
                divisor=max(n for n in range(1, self.group_size) if self.batch_size % n == 0),
            )
        if self.per_device_batch_size and self.minibatch % self.per_device_batch_size:
            raise bad_input(
                "refused.per_device_batch_size",
                field="per_device_batch_size",
                per_device_batch_size=self.per_device_batch_size,
                minibatch=self.minibatch,
            )
        if 0 < self.dual_clip <= 1:
            raise bad_input("refused.dual_clip", field="dual_clip", dual_clip=self.dual_clip)
        return self
