# SPDX-License-Identifier: Apache-2.0
"""Parts of the PPO tests: a tiny base with a starting adapter, a reward by a rule, and a trainer with both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import TrainerCallback

from reward.about import describe_base
from reward.base.frozen_base import Base
from reward.member import Member
from reward.model import RewardModel
from rlhf.ppo.actor_critic import ActorCritic, answer_batch, scatter_tokens
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.trainer import PPOTrainer
from rlhf.sampling.sampler import banned_ids
from tests.support.tiny_families import FAMILIES, make_family
from tests.support.tiny_model import make_tiny_model

PROMPTS = [{"prompt": f"Name {number} animals{'.' * (number % 5)}"} for number in range(16)]
PLAIN = {"standardize_reward": False, "missing_eos_penalty": 0.0}  # the reward as it is
RULE = {
    "rollout_batch_size": 128,
    "per_device_train_batch_size": 64,
    "num_ppo_epochs": 4,
    "max_new_tokens": 2,
    "learning_rate": 1e-2,
    "missing_eos_penalty": 0.0,
    "kl_target": None,
    "kl_coef": 0.0,
    "kl_budget": 1e3,
    "eval_updates": 4,
}
"""Options with which a random model learns a rule in eight updates."""
LETTERS = set("abcdefghijklmnopqrstuvwxyz ")


def share_of_letters(prompts, completions):
    """Return the share of small letters and blanks in each text."""
    return [sum(char in LETTERS for char in text) / max(1, len(text)) for text in completions]


def tiny_base(kind: str, folder: Path) -> Base:
    """Return a base of two random layers of the kind."""
    return Base.load((make_family if kind in FAMILIES else make_tiny_model)(kind, folder / kind))


def starting_adapter(base: Base, folder: Path, scale: float = 0.1, config: LoraConfig | None = None) -> Path:
    """Save an adapter that changes the base's distribution clearly, and return its folder."""
    base.add_adapter("start", config=config)
    torch.manual_seed(5)
    for matrix in base.parameters("start"):
        torch.nn.init.normal_(matrix, std=scale)
    base.save_adapter("start", folder / "start")
    base.drop_adapter("start")
    return folder / "start"


def ppo_config(folder: Path, updates: int = 1, **options) -> PPOConfig:
    """Return a small and quick configuration; `updates` replaces max_steps."""
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


def ppo_trainer(
    base: Base, config: PPOConfig, reward=share_of_letters, train=PROMPTS, held_out=None, start=None, guard=None
) -> PPOTrainer:
    policy = {"peft_config" if isinstance(start, LoraConfig) else "start": start}
    trainer = PPOTrainer(base, reward, config, train_dataset=train, eval_dataset=held_out, guard=guard, **policy)
    trainer.remove_callback(next(c for c in trainer.callback_handler.callbacks if "Printer" in type(c).__name__))
    return trainer


def begun(base: Base, folder: Path, start=None, update: int = 0, reward=share_of_letters, **options) -> PPOTrainer:
    """Return a trainer that has sampled and scored the rollout of an update."""
    trainer = ppo_trainer(base, ppo_config(folder, **options), reward=reward, start=start)
    trainer._answer_as_reference()
    with base.role("policy"):
        trainer._begin_update(update)
    return trainer


def new_logps(trainer: PPOTrainer) -> torch.Tensor:
    """Return log-probabilities (B, T) of the trainer's rollout under the current policy."""
    data = trainer._experience
    with trainer.base.role("policy"):
        flat, _, _ = trainer.model(*answer_batch(trainer.base, data.prompts, data.answers))
    return scatter_tokens(flat, data.mask)


def actor(base: Base, temperature: float = 1.0, bf16: bool = False) -> ActorCritic:
    """Return a policy with a random adapter and a critic with a random head."""
    base.add_adapter("policy", trainable=True)
    torch.manual_seed(3)
    for matrix in base.parameters("policy"):
        torch.nn.init.normal_(matrix, std=0.1)
    model = ActorCritic(base, temperature, bf16)
    torch.nn.init.normal_(model.value_head.weight)
    return model


def shake(base: Base, role: str, std: float = 0.1) -> None:
    """Add noise to the weights of an adapter."""
    torch.manual_seed(23)
    for matrix in base.parameters(role):
        matrix.data.add_(torch.randn_like(matrix), alpha=std)


def random_judge(base: Base, role: str = "judge") -> RewardModel:
    """Return a reward model on the same base with a random adapter and a random head."""
    base.add_adapter(role)
    torch.manual_seed(11)
    for matrix in base.parameters(role):
        matrix.data.normal_(std=0.2)
    return RewardModel(base, [Member(role, torch.randn(base.hidden_size))], describe_base(base))


@torch.no_grad()
def exact_logps(base: Base, role: str | None, prompt: list[int], answer: list[int]) -> np.ndarray:
    """Return log-probabilities (T, V) of an answer by the library's own pass over one unpadded row, in float64."""
    with base.role(role):
        logits = base.causal(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1].double()
    logits[:, banned_ids(base)] = -torch.inf
    return logits.log_softmax(-1).numpy()


def rollouts(trainer: PPOTrainer) -> list[dict]:
    """Return the log of every update."""
    return [log for log in trainer.state.log_history if "rollout_seconds" in log]


def policy_weights(base: Base) -> torch.Tensor:
    """Return the policy's weights as one vector."""
    return torch.cat([matrix.detach().flatten() for matrix in base.parameters("policy")])


class Passes(TrainerCallback):
    """Stores copies of the trainable tensors after every optimizer step."""

    def __init__(self, trainer: PPOTrainer) -> None:
        self.trainer, self.after = trainer, []

    def on_step_end(self, *_, **__) -> None:
        self.after.append([p.detach().clone() for p in self.trainer.model.parameters() if p.requires_grad])


class MostRows(TorchDispatchMode):
    """Count the most rows of that width in a tensor, in forward and backward passes; weights have `hidden` rows."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.width, self.hidden, self.rows = width, hidden, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for x in tree_leaves(result):
            if isinstance(x, torch.Tensor) and self.width in x.shape and self.hidden not in x.shape:
                self.rows = max(self.rows, x.numel() // self.width)
        return result
