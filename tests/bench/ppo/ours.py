# SPDX-License-Identifier: Apache-2.0
"""Our PPOTrainer on the shared world, one process: `python -m tests.bench.ppo.ours BASE CASE`."""

from __future__ import annotations

import json
import sys
import tempfile

import torch
from peft import LoraConfig

from reward.about import describe_base
from reward.base.frozen_base import Base
from reward.base.lora_targets import lora_config
from reward.member import Member
from reward.model import RewardModel
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.trainer import PPOTrainer
from tests.bench.ppo.world import ANSWER, EPISODES, EPOCHS, RANK, Case, Turns, prompts

MICRO = 16


def config(case: Case, folder: str, updates: int = 1000, **options) -> PPOConfig:
    """The figure's sizes: as many optimizer steps in an update as TRL makes, one per epoch."""
    given = {"max_new_tokens": ANSWER, "critic": case.critic} | options
    args = PPOConfig(
        folder,
        per_device_train_batch_size=MICRO,
        gradient_accumulation_steps=EPISODES // MICRO,
        rollout_batch_size=EPISODES,
        num_ppo_epochs=EPOCHS,
        bf16=case.bf16,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        disable_tqdm=True,
        kl_budget=1e9,
        **given,
    )
    args.max_steps = updates * args.steps_per_update
    return args


def lora(case: Case, base: Base) -> LoraConfig:
    """LoRA on all linear layers of every layer, or of those in the top half."""
    return lora_config(
        base.causal, RANK, layers=f"{base.config.num_hidden_layers // 2}-" if case.layers == "top" else ""
    )


def reward_model(base: Base, config: LoraConfig) -> RewardModel:
    """A reward model as it stands after training would: an adapter on the same base, and a head."""
    base.add_adapter("reward", config=config)
    return RewardModel(
        base, [Member("reward", torch.randn(base.hidden_size) / base.hidden_size**0.5)], describe_base(base)
    )


def main() -> None:
    """Train until told to stop."""
    base, case = Base.load(sys.argv[1]), Case(**json.loads(sys.argv[2]))
    judge = reward_model(base, lora(Case("ours"), base))
    with tempfile.TemporaryDirectory() as folder:
        args = config(case, folder)
        turns = Turns(args.steps_per_update)
        rows = [{"prompt": text} for text in prompts(1)]
        trainer = PPOTrainer(base, judge, args, train_dataset=rows, peft_config=lora(case, base), callbacks=[turns])
        begin = trainer._begin_update

        def counted(update: int) -> None:
            begin(update)
            turns.tokens = int(trainer._experience.mask.sum())

        trainer._begin_update = counted
        trainer.train()


if __name__ == "__main__":
    main()
