"""What the tests of PPO share: a tiny base with a starting adapter, a rule for a reward, and a trainer made of them."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import TrainerCallback

from reward.base import Base
from rlhf.ppo_config import PPOConfig
from rlhf.ppo_trainer import PPOTrainer
from tests.tiny import make_tiny_model

PROMPTS = [{"prompt": f"Name {number} animals{'.' * (number % 5)}"} for number in range(16)]
LETTERS = set("abcdefghijklmnopqrstuvwxyz ")


def share_of_letters(prompts, completions):
    """The rule: share of small letters and blanks in the text."""
    return [sum(char in LETTERS for char in text) / max(1, len(text)) for text in completions]


def tiny_base(kind: str, folder: Path) -> Base:
    return Base.load(make_tiny_model(kind, folder / kind))


def starting_adapter(base: Base, folder: Path, scale: float = 0.1) -> Path:
    """A saved adapter that moves the base's distribution clearly."""
    base.add_adapter("start")
    torch.manual_seed(5)
    for matrix in base.parameters("start"):
        torch.nn.init.normal_(matrix, std=scale)
    base.save_adapter("start", folder / "start")
    base.drop_adapter("start")
    return folder / "start"


def ppo_config(folder: Path, updates: int = 1, **options) -> PPOConfig:
    """Small, quick and quiet; `updates` in place of max_steps."""
    given = {
        "rollout_batch_size": 8,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 1,
        "num_ppo_epochs": 2,
        "max_new_tokens": 8,
        "use_cpu": True,
        "disable_tqdm": True,
        "save_strategy": "no",
    } | options
    config = PPOConfig(str(folder / "ppo"), **given)
    config.max_steps = updates * config.steps_per_update
    return config


def ppo_trainer(base: Base, config: PPOConfig, reward=share_of_letters, train=PROMPTS, held_out=None, start=None) -> PPOTrainer:
    trainer = PPOTrainer(base, reward, config, train_dataset=train, eval_dataset=held_out, start=start)
    trainer.remove_callback(next(c for c in trainer.callback_handler.callbacks if "Printer" in type(c).__name__))
    return trainer


class Passes(TrainerCallback):
    """Remembers the trainable tensors after every optimizer step."""

    def __init__(self, trainer: PPOTrainer) -> None:
        self.trainer, self.after = trainer, []

    def on_step_end(self, *_, **__) -> None:
        self.after.append([p.detach().clone() for p in self.trainer.model.parameters() if p.requires_grad])
