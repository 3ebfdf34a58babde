# SPDX-License-Identifier: Apache-2.0
"""The adapters of a PPO run on its one base: the policy, the reference it starts as, and the critic.

A critic is of one of three kinds:
joint     a value head on the policy's last hidden state: one pass gives both, the value loss also trains its trunk
adapter   a fresh adapter `value` of the policy's shape with its own head: the two losses share no parameter
reward    the same, started from the reward model's adapter and head: values begin in the unit of the scores
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import cast

import torch
from peft import LoraConfig

from data.errors import BadInput
from reward.base.frozen_base import Base
from reward.model import RewardModel
from reward.protocol import Rewarder, RewardFunction
from rlhf.ppo.actor_critic import ActorCritic
from rlhf.ppo.config import NO_CRITIC
from rlhf.ppo.reward_shaping import Scorer

POLICY, REFERENCE, VALUE = "policy", "reference", "value"


def add_policy(base: Base, start: str | Path | None, config: LoraConfig | None) -> str | None:
    """Add the policy, from the folder `start` or as a fresh LoRA by `config`, and its reference.

    Returns the reference's role; for a fresh policy None, the bare base. Raises BadInput if both are given.
    """
    if start is not None and config is not None:
        raise BadInput(
            f"both start={str(start)!r} and a peft_config are given", "Give one of them", field="peft_config"
        )
    if start is None:
        base.add_adapter(POLICY, config=config, trainable=True)
        return None
    base.add_adapter(POLICY, start, trainable=True)
    base.add_adapter(REFERENCE, start)
    return REFERENCE


def resolve_critic(kind: str, reward: Rewarder | RewardFunction, base: Base) -> str:
    """Return `kind`; for auto: reward if the reward is a reward model on the policy's base, else joint."""
    if kind != "auto":
        return kind
    return "joint" if _find_shared_model(reward, base) is None else "reward"


def add_critic(base: Base, kind: str, reward: Rewarder | RewardFunction) -> str | None:
    """Add the adapter of a critic of that kind; return its role, None for a joint critic or none.

    Raises BadInput for the kind reward if the reward is not a reward model on this base.
    """
    if kind in ("joint", NO_CRITIC):
        return None
    role = POLICY if kind == "adapter" else cast(str, shared_reward_model(reward, base).members[0].role)
    base.add_adapter(VALUE, config=copy.deepcopy(cast(LoraConfig, base.model.peft_config[role])), trainable=True)
    if kind == "reward":
        with torch.no_grad():
            for own, theirs in zip(base.parameters(VALUE), base.parameters(role), strict=True):
                own.copy_(theirs)
    return VALUE


def shared_reward_model(reward: Rewarder | RewardFunction, base: Base) -> RewardModel:
    """Return the reward model whose adapter a critic starts from: the reward itself, or an ensemble's first member.

    Raises BadInput if the reward is not a reward model on this base.
    """
    model = _find_shared_model(reward, base)
    if model is None:
        error = (
            "critic='reward' starts from a reward model on the policy's base, "
            f"and the reward is a {type(reward).__name__} without one"
        )
        raise BadInput(error, "Give such a reward model, or take critic='adapter'", field="critic")
    return model


def _find_shared_model(reward: Rewarder | RewardFunction, base: Base) -> RewardModel | None:
    """Return the reward's first member if it is an adapter on this base; a reward of another kind has no members."""
    model: RewardModel | None = getattr(reward, "first_member", None)
    return model if model is not None and model.base is base and model.members[0].role is not None else None


@torch.no_grad()
def initialize_values(actor: ActorCritic, kind: str, reward: Rewarder | RewardFunction, scorer: Scorer) -> None:
    """Set the head of a critic of kind reward to the reward model's score of a state in the unit of `scorer`.

    The model's score is (h . w - offset) / scale; the scorer subtracts its own offset and divides by its own scale.
    Both are linear in h; clips and penalties are not and are left out. Other critics keep their head at 0.
    """
    if kind == "reward":
        model = shared_reward_model(reward, actor.base)
        unit = model.about.scale * scorer.unit.scale
        actor.value_head.weight.copy_(model.members[0].head[None] / unit)
        actor.value_head.bias.fill_(-model.about.offset / unit - scorer.unit.offset / scorer.unit.scale)
