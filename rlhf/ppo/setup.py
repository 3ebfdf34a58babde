# SPDX-License-Identifier: Apache-2.0
"""The parts of a PPO run. `build` makes and connects all of them, apart from the trainer that drives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import torch
from peft import LoraConfig
from transformers import TrainerCallback, set_seed

from data.errors import BadInput
from reward.base.frozen_base import Base
from reward.base.patches.cpu_attention import choose_cpu_attention
from reward.base.placement import placement_on
from reward.protocol import Rewarder, RewardFunction
from rlhf.ppo.actor_critic import ActorCritic
from rlhf.ppo.checkpoint import PPOState
from rlhf.ppo.collector import RolloutCollector
from rlhf.ppo.config import NO_CRITIC, PPOConfig
from rlhf.ppo.guard import Guard
from rlhf.ppo.prompt_rows import PromptRow, encode_prompts
from rlhf.ppo.reward_shaping import Scorer
from rlhf.ppo.roles import add_critic, add_policy, resolve_critic
from rlhf.ppo.validation import Validation


class PPOOptions(TypedDict, total=False):
    """The optional arguments of `PPOTrainer`: three of PPO's own, then those of `transformers.Trainer`."""

    start: str | Path | None
    peft_config: LoraConfig | None
    guard: Rewarder | RewardFunction | None
    callbacks: list[TrainerCallback] | None
    optimizers: tuple[torch.optim.Optimizer | None, torch.optim.lr_scheduler.LambdaLR | None]


@dataclass(frozen=True)
class PPOSetup:
    """The collaborators of one run. `args` is a resolved copy; `prompts` are the ids of the train dataset's prompts."""

    args: PPOConfig
    base: Base
    reference: str | None
    actor: ActorCritic
    scorer: Scorer
    collector: RolloutCollector
    guard: Guard | None
    prompts: list[list[int]]
    validation: Validation
    state: PPOState


def build(
    model: Base | str | Path,
    reward: Rewarder | RewardFunction,
    args: PPOConfig,
    train_dataset: Sequence[PromptRow],
    eval_dataset: Sequence[PromptRow] | None = None,
    start: str | Path | None = None,
    peft_config: LoraConfig | None = None,
    guard: Rewarder | RewardFunction | None = None,
) -> PPOSetup:
    """Load the base, add its adapters and connect the parts that train them. `PPOTrainer` explains the arguments.

    Seeds the process by `args.seed`, since fresh adapters are random. Raises BadInput for arguments that do not fit.
    """
    if guard is not None and not eval_dataset:
        raise BadInput(
            "a guard scores answers to the validation prompts, and there are none", "Give eval_dataset", field="guard"
        )
    set_seed(args.seed)
    base = model if isinstance(model, Base) else _load(model, args)
    reference = add_policy(base, start, peft_config)
    scorer = Scorer(
        base,
        reward,
        args.missing_eos_penalty,
        clip=args.reward_clip,
        length_penalty=args.length_penalty,
        length_free=args.length_free,
    )
    observer = None if guard is None else Guard(Scorer(base, guard, args.missing_eos_penalty))
    prompts = encode_prompts(base, train_dataset, "train_dataset")
    fixed_count = min(args.rollout_batch_size, len(prompts))
    fixed_rows = list(eval_dataset or (train_dataset[row] for row in range(fixed_count)))
    fixed_prompts = encode_prompts(base, fixed_rows, "eval_dataset")
    critic = NO_CRITIC if args.estimator == "group" else resolve_critic(args.critic, reward, base)
    args = args.resolve(len(prompts), bool(eval_dataset), critic)
    if args.bf16:
        choose_cpu_attention(base.causal, max(map(len, prompts + fixed_prompts)) + args.max_new_tokens)
    actor = ActorCritic(base, args.temperature, args.bf16, add_critic(base, critic, reward), values=critic != NO_CRITIC)
    collector = RolloutCollector(actor, reference, scorer, args)
    state = PPOState(args.kl_coef, scorer.unit, None if observer is None else observer.state)
    validation = Validation(collector, fixed_rows, fixed_prompts, observer, state)
    return PPOSetup(args, base, reference, actor, scorer, collector, observer, prompts, validation, state)


def _load(source: str | Path, args: PPOConfig) -> Base:
    return Base.load(source, placement=replace(placement_on(args.device), sharded=args.shard_base))
