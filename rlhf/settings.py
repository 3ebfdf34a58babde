# SPDX-License-Identifier: Apache-2.0
"""Settings of the kinds of run that have no package of their own; importable without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, ValidationInfo, field_validator, model_validator

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
from labeling.texts.pages import bad_input
from reward.base.text.template_options import read_arguments
from reward.placement_settings import DeviceSettings, PlacementSettings
from reward.training_settings import LoraSettings, TrainerSettings


def _check_arguments(assignments: Sequence[str]) -> tuple[str, ...]:
    """Refuse what is not NAME=VALUE."""
    read_arguments(assignments, "template_set")
    return tuple(assignments)


TemplateArguments = Annotated[tuple[str, ...], AfterValidator(_check_arguments)]
SplitName = Annotated[
    Literal["", "train", "validation", "test"],
    option(""),
]
TestShare = Annotated[float, option(0.15, min=0.0, max=0.5)]
PairRule = Annotated[
    Literal["disjoint", "all", "ranking"],
    option(
        "disjoint",
    ),
]
ProjectName = Annotated[str, option("")]
Priority = Annotated[int, option(0, min=-1000, max=1000)]
RewardName = Annotated[str, option("", main=True)]
DrawCount = Annotated[int, option(8, unit="completions", main=True, min=2, max=1024)]
Epochs = Annotated[float, option(1.0, min=0.0)]
LastPrompt = Annotated[int, option(0, min=0)]
LastRow = Annotated[int, option(0, min=0)]
LastRating = Annotated[int, option(0, min=0)]
FULL = "full"
"""The value of `finetuning` that trains all weights."""
LORA_RATE = 1e-3
"""The default learning rate of a LoRA."""
GenerationBatch = Annotated[BatchSize, option(128, unit="completions")]


class TemplateSettings(Settings):
    """Arguments of the chat template in this run, each NAME=VALUE, in addition to those that a policy has."""

    template_set: TemplateArguments = ()


class JudgedSettings(Settings):
    """Blind pairs of the trained policy and its parent, queued for people after the training; 0: none."""

    judge_pairs: int = option(100, unit="pairs", min=0, max=10_000)


class SampleSettings(TemplateSettings, PlacementSettings):
    """Sample completions of a policy, and make pairs of them for the labelers."""

    from_: StartPolicy = ""
    against: str = option("", main=True)
    until_decided: bool = False
    prompts: int = option(100, unit="prompts", main=True, min=1)
    per_prompt: int = option(2, unit="completions", main=True, min=1)
    temperature: float = option(1.0, main=True, min=1e-4, max=10.0)
    split: SplitName = ""
    test_share: TestShare = 0.15
    last_prompt: LastPrompt = 0
    pairs: PairRule = "disjoint"
    project: ProjectName = ""
    priority: Priority = 0
    max_new_tokens: CompletionLength = 80
    batch_size: GenerationBatch = 128
    seed: Seed = 0


class CompareSettings(TemplateSettings, PlacementSettings):
    """Compare policies with another one on test prompts."""

    policies: tuple[str, ...] = option((), main=True)
    against: str = option("", main=True)
    reward: RewardName = ""
    judge: Literal["rubric", "reward"] = option("rubric", main=True)
    prompts: int = option(300, unit="prompts", main=True, min=1)
    last_prompt: LastPrompt = 0
    draws: int = option(2, unit="completions", min=1)
    best_of: int = option(8, unit="completions", min=0)
    agreement: float = option(0.73, min=0.5, max=1.0)
    max_new_tokens: CompletionLength = 80
    batch_size: GenerationBatch = 128
    seed: Seed = 0


class PretrainSettings(DeviceSettings):
    """Train a base model from raw text: a new one with its own tokenizer, or an existing one further."""

    text: str = option(
        "starter",
        main=True,
    )
    from_: str = ""
    column: str = "text"
    packing: bool = False
    max_steps: int = option(4200, unit="steps", main=True, min=1)
    hidden_size: int = option(192, main=True, min=1)
    layers: int = option(6, unit="layers", main=True, min=1)
    vocab_size: int = option(2048, unit="tokens", main=True, min=300)
    heads: int = option(6, min=1)
    context: int = option(256, unit="tokens", min=1)
    batch_size: BatchSize = option(64, unit="documents")
    learning_rate: LearningRate = 4e-3
    seed: Seed = 0


class FinetuningSettings(LoraSettings, TrainerSettings, PlacementSettings):
    """The weights that a fine-tuning trains: a LoRA, or all weights of the policy.

    A `learning_rate` of 0 becomes the default of what is trained: LORA_RATE, or the kind's `full_rate`.
    """

    model_config = ConfigDict(validate_default=True)
    full_rate: ClassVar[float]
    shardable: ClassVar[bool] = True
    finetuning: Literal["lora", "full"] = option("lora", main=True)

    @field_validator("learning_rate", check_fields=False)
    @classmethod
    def _choose_rate(cls, rate: float, info: ValidationInfo) -> float:
        return rate or (cls.full_rate if info.data.get("finetuning") == FULL else LORA_RATE)

    @model_validator(mode="after")
    def _refuse_options_of_a_lora(self) -> FinetuningSettings:
        if self.finetuning == FULL:
            fields = type(self).model_fields
            for name in (*LoraSettings.model_fields, "lora_dropout"):
                if (value := getattr(self, name)) != fields[name].default:
                    raise bad_input("refused.lora_setting", field=name, name=name, value=value)
            check_trainable(self.quantize)
        return self


def check_trainable(quantize: str) -> None:
    """Raise BadInput if all weights cannot be trained because they are quantised."""
    if quantize not in ("", "none"):
        raise bad_input("refused.quantized", field="quantize", quantize=quantize, bits=quantize.removesuffix("bit"))


class SFTSettings(TemplateSettings, FinetuningSettings, JudgedSettings):
    """Train a policy to imitate instruction rows."""

    full_rate = 2e-5

    from_: StartPolicy = ""
    snapshot: str = option("", main=True)
    epochs: Epochs = option(1.0, main=True)
    learning_rate: LearningRate = option(0.0, main=True)
    rank: Rank = option(8, main=True)
    batch_size: BatchSize = 32
    packing: bool = False
    max_steps: StepLimit = 0
    seed: Seed = 0


class DPOSettings(TemplateSettings, FinetuningSettings, JudgedSettings):
    """Train a policy on comparisons directly: no reward model, no sampling."""

    full_rate = 1e-6

    from_: StartPolicy = ""
    labels: str = option(
        "person+import",
        main=True,
    )
    beta: float = option(0.1, main=True, min=1e-6)
    learning_rate: LearningRate = option(0.0, main=True)
    epochs: Epochs = option(1.0, main=True)
    loss: Literal["sigmoid", "ipo"] = "sigmoid"
    label_smoothing: float = option(0.0, min=0.0, max=0.49)
    snapshot: str = ""
    part: str = "0-1"
    rank: Rank = 16
    batch_size: BatchSize = option(16, unit="pairs")
    max_steps: StepLimit = 0
    seed: Seed = 0


class BestOfNSettings(TemplateSettings, PlacementSettings, JudgedSettings):
    """Make a policy that answers with the best of n completions of another policy."""

    from_: StartPolicy = ""
    reward: RewardName = ""
    n: DrawCount = 8
    validation_prompts: int = option(64, unit="prompts", min=0)
    last_prompt: LastPrompt = 0
    max_new_tokens: CompletionLength = option(80, unit="tokens")
    batch_size: GenerationBatch = 128
    seed: Seed = 0


class RejectionSettings(TemplateSettings, LoraSettings, TrainerSettings, PlacementSettings, JudgedSettings):
    """Train a policy to imitate the best of n of its own completions."""

    from_: StartPolicy = ""
    reward: RewardName = ""
    n: DrawCount = 8
    prompts_per_round: int = option(500, unit="prompts", main=True, min=1)
    rounds: int = option(
        2,
        unit="rounds",
        main=True,
        min=1,
        max=100,
    )
    prompts: str = ""
    last_prompt: LastPrompt = 0
    learning_rate: LearningRate = 1e-3
    epochs: Epochs = 2.0
    rank: Rank = 16
    batch_size: BatchSize = 32
    max_steps: StepLimit = 0
    max_new_tokens: CompletionLength = 80
    seed: Seed = 0
