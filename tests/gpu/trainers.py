# SPDX-License-Identifier: Apache-2.0
"""Trainers of both sides at equal settings, on random rows of one length."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, Trainer
from trl import (
    DPOConfig,
    DPOTrainer,
    GRPOConfig,
    GRPOTrainer,
    RewardConfig,
    RewardTrainer,
    RLOOConfig,
    RLOOTrainer,
    SFTConfig,
    SFTTrainer,
)

from data.views.preferences import PreferenceRow
from reward.base.frozen_base import Base
from reward.base.lora_targets import lora_config
from reward.settings import RewardSettings
from reward.training import fit
from reward.training.classifier import lora_for_scoring, scoring_pad
from reward.training.rows import EncodedComparison
from rlhf.methods import sft
from rlhf.methods.dpo_trainer import PairTrainer, dpo_config
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.trainer import PPOTrainer
from rlhf.settings import DPOSettings, SFTSettings
from tests.gpu.scales import Scale

KL = 0.05
LEARNING_RATE = 1e-4


def prompt_ids(base: Base, count: int, length: int) -> list[list[int]]:
    """Return prompts of random ordinary tokens."""
    draw, ordinary = random.Random(length), sorted(set(range(len(base.tokenizer))) - base.encoding.special_ids)
    return [[draw.choice(ordinary) for _ in range(length)] for _ in range(count)]


def rows_of(base: Base, scale: Scale, answers: int) -> list[tuple[list[int], ...]]:
    """Return rows for all steps: a prompt, and so many answers with their end token."""
    count, end = scale.batch * (scale.warm + scale.steps), [min(base.eos_ids)]
    prompts = prompt_ids(base, count, scale.prompt)
    texts = [prompt_ids(base, answers * count, scale.answer - 1)[number::count] for number in range(count)]
    return [(prompt, *(text + end for text in own)) for prompt, own in zip(prompts, texts, strict=True)]


def shared(base: Base, scale: Scale, folder: Path, **options: Any) -> dict[str, Any]:
    """Return the arguments of TRL's trainers that stand for the same training as ours."""
    return {
        "output_dir": str(folder),
        "learning_rate": LEARNING_RATE,
        "per_device_train_batch_size": scale.batch,
        "max_steps": scale.warm + scale.steps,
        "optim": "adamw_torch_fused",
        "activation_checkpointing": scale.checkpointing,
        "bf16": False,
        "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "no",
        "use_cpu": base.device.type == "cpu",
    } | options


def our_settings(scale: Scale) -> dict[str, Any]:
    return {
        "learning_rate": LEARNING_RATE,
        "batch_size": scale.batch,
        "max_steps": scale.warm + scale.steps,
        "rank": scale.rank,
        "gradient_checkpointing": scale.checkpointing,
    }


def sft_rows(base: Base, scale: Scale) -> Dataset:
    rows = rows_of(base, scale, 1)
    return Dataset.from_list(
        [{"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer} for prompt, answer in rows]
    )


def our_sft(base: Base, scale: Scale, folder: Path) -> Trainer:
    return sft.build_trainer(folder, SFTSettings(**our_settings(scale)), base.causal, base, sft_rows(base, scale))


def trl_sft(base: Base, scale: Scale, folder: Path) -> Trainer:
    arguments = SFTConfig(**shared(base, scale, folder, max_length=None))
    return SFTTrainer(
        base.causal,
        arguments,
        train_dataset=sft_rows(base, scale),
        processing_class=base.tokenizer,
        peft_config=lora_config(base.causal, scale.rank),
    )


def our_reward(base: Base, scale: Scale, folder: Path) -> Trainer:
    rows = [comparison(number, *row) for number, row in enumerate(rows_of(base, scale, 2))]
    settings = RewardSettings(**our_settings(scale), likelihood="bradley-terry")
    return fit.build_trainer(folder, settings, base, fit.Start(base.name, None), rows)  # type: ignore[arg-type]


def comparison(number: int, prompt: list[int], a: list[int], b: list[int]) -> EncodedComparison:
    row = PreferenceRow(
        comparison_id=str(number), prompt_id=number, prompt=str(number), messages=None, split="train",
        a_id=f"{number}a", b_id=f"{number}b", a_text="", b_text="", a_token_ids=a, b_token_ids=b, label=1.0, margin=1,
        weight=1.0, source="import", labeler_id=0, labeler="", project="", guideline_version=0,
    )  # fmt: skip
    return EncodedComparison(row, prompt, a, b)


def trl_reward(base: Base, scale: Scale, folder: Path) -> Trainer:
    """A classifier around the same trunk."""
    config = type(base.causal.config).from_dict(base.causal.config.to_dict() | {"num_labels": 1})
    config.pad_token_id = scoring_pad(base)
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config, dtype=base.causal.dtype)
    model.model = base.causal.base_model
    model.score = torch.nn.Linear(base.hidden_size, 1, bias=False, device=base.device, dtype=base.causal.dtype)
    base.tokenizer.pad_token = base.tokenizer.convert_ids_to_tokens(scoring_pad(base))
    return RewardTrainer(
        model=model,
        args=RewardConfig(**shared(base, scale, folder, max_length=None)),
        train_dataset=Dataset.from_list(
            [{"chosen_ids": p + a, "rejected_ids": p + b} for p, a, b in rows_of(base, scale, 2)]
        ),
        processing_class=base.tokenizer,
        peft_config=lora_for_scoring(model, RewardSettings(rank=scale.rank)),
    )


def pairs(base: Base, scale: Scale) -> list[dict[str, list[int]]]:
    return [{"prompt_ids": p, "chosen_ids": a, "rejected_ids": b} for p, a, b in rows_of(base, scale, 2)]


def our_dpo(base: Base, scale: Scale, folder: Path) -> Trainer:
    settings, rows = DPOSettings(**our_settings(scale)), pairs(base, scale)
    config = dpo_config(folder, settings, len(rows), base.device, watching=False)
    return PairTrainer.build(base.causal, base, config, settings, rows)


class IdsDPOTrainer(DPOTrainer):
    """TRL's own, on ready token ids."""

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset


def trl_dpo(base: Base, scale: Scale, folder: Path) -> Trainer:
    return IdsDPOTrainer(
        base.causal,
        args=DPOConfig(**shared(base, scale, folder, max_length=None)),
        train_dataset=Dataset.from_list(pairs(base, scale)),
        processing_class=base.tokenizer,
        peft_config=lora_config(base.causal, scale.rank),
    )


def share_of_e(texts: list[str]) -> list[float]:
    return [text.count("e") / max(1, len(text)) for text in texts]


def prompt_texts(base: Base, scale: Scale) -> list[dict[str, str]]:
    """Return prompts of about `scale.prompt` tokens each; a text of bytes has about as many tokens as letters."""
    draw = random.Random(0)
    letters = "bcdfghjklmnpqrstvwxz"
    return [{"prompt": "".join(draw.choice(letters) for _ in range(scale.prompt))} for _ in range(scale.rollout)]


def our_ppo(base: Base, scale: Scale, folder: Path) -> Trainer:
    passes = scale.rollout // scale.batch
    arguments = PPOConfig(
        str(folder),
        learning_rate=LEARNING_RATE,
        per_device_train_batch_size=scale.batch,
        gradient_accumulation_steps=1,
        rollout_batch_size=scale.rollout,
        num_ppo_epochs=scale.epochs,
        max_new_tokens=scale.answer,
        max_steps=scale.updates * scale.epochs * passes,
        kl_coef=KL,
        activation_checkpointing=scale.checkpointing,
        disable_tqdm=True,
        save_strategy="no",
        use_cpu=base.device.type == "cpu",
    )
    return PPOTrainer(
        base,
        lambda prompts, completions: share_of_e(completions),
        arguments,
        train_dataset=prompt_texts(base, scale),
        peft_config=lora_config(base.causal, scale.rank),
    )


def online_arguments(base: Base, scale: Scale, folder: Path) -> dict[str, Any]:
    """Return the arguments of GRPO and RLOO for as many answers, passes and optimizer steps as `our_ppo` has."""
    passes = scale.rollout // scale.batch
    return shared(
        base, scale, folder, max_steps=scale.updates * scale.epochs * passes, max_completion_length=scale.answer
    ) | {
        "num_generations": scale.generations,
        "steps_per_generation": passes,
        "num_iterations": scale.epochs,
        "beta": KL,
    }  # fmt: skip


def trl_grpo(base: Base, scale: Scale, folder: Path) -> Trainer:
    return _online(GRPOTrainer, GRPOConfig(**online_arguments(base, scale, folder)), base, scale)


def trl_rloo(base: Base, scale: Scale, folder: Path) -> Trainer:
    return _online(RLOOTrainer, RLOOConfig(**online_arguments(base, scale, folder)), base, scale)


def _online(kind: type, arguments: Any, base: Base, scale: Scale) -> Trainer:
    return kind(
        base.causal,
        args=arguments,
        reward_funcs=lambda completions, **_: share_of_e(completions),
        train_dataset=Dataset.from_list(prompt_texts(base, scale)),
        processing_class=base.tokenizer,
        peft_config=lora_config(base.causal, scale.rank),
    )
