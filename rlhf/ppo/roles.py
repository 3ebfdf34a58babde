"""The adapters of a PPO run on its one base: the policy, the reference it starts as, and where values come from.

joint     a value head on the policy's last hidden state: one pass gives both, and the value loss moves the policy's trunk as well
adapter   an adapter `value` of the policy's shape, fresh, with its own head: the two losses share no parameter
reward    the same, started from the reward model's adapter and head: values begin in the unit of the scores they predict
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from peft import LoraConfig

from data.errors import BadInput
from reward.base.frozen_base import Base
from reward.model import RewardModel
from reward.protocol import Rewarder, RewardFunction
from rlhf.ppo.actor_critic import ActorCritic
from rlhf.ppo.reward_shaping import Scorer

POLICY, REFERENCE, VALUE = "policy", "reference", "value"


def add_policy(base: Base, start: str | Path | None, config: LoraConfig | None) -> str | None:
    """Add the policy, from the folder `start` or as a fresh LoRA by `config`, and its reference; returns the reference's role.

    That of a fresh one is None, the bare base. Raises BadInput where both are given.
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
    """`kind` itself; for `auto` reward where a reward model on the policy's base judges, else joint."""
    if kind != "auto":
        return kind
    return "joint" if _judge(reward, base) is None else "reward"


def add_critic(base: Base, kind: str, reward: Rewarder | RewardFunction) -> str | None:
    """Add the adapter that `kind` asks for beside the policy; returns its role, None for a joint critic.

    Raises BadInput for a critic that is to start from a reward that is no reward model on this base.
    """
    if kind == "joint":
        return None
    role = POLICY if kind == "adapter" else shared_reward_model(reward, base).members[0].role
    base.add_adapter(VALUE, config=copy.deepcopy(base.model.peft_config[role]), trainable=True)
    if kind == "reward":
        with torch.no_grad():
            for own, theirs in zip(base.parameters(VALUE), base.parameters(role), strict=True):
                own.copy_(theirs)
    return VALUE


def shared_reward_model(reward: Rewarder | RewardFunction, base: Base) -> RewardModel:
    """The reward model whose adapter a critic starts from: the reward itself, of an ensemble the first member. Raises BadInput."""
    judge = _judge(reward, base)
    if judge is None:
        error = f"critic='reward' starts from a reward model on the policy's base, and the reward is a {type(reward).__name__} without one"
        raise BadInput(error, "Give such a reward model, or take critic='adapter'", field="critic")
    return judge


def _judge(reward: Rewarder | RewardFunction, base: Base) -> RewardModel | None:
    """Return the reward's first member if it is an adapter on this base; a reward of another kind has no members."""
    judge: RewardModel | None = getattr(reward, "first_member", None)
    return judge if judge is not None and judge.base is base else None


@torch.no_grad()
def initialize_values(actor: ActorCritic, kind: str, reward: Rewarder | RewardFunction, scorer: Scorer) -> None:
    """Let a critic that starts as the reward model value a state by that model's score of it, as `scorer` standardises it.

    The model says (h . w - offset) / scale, the scorer takes its own offset off that and divides by its own scale: both are linear
    in h. Clips and penalties are not. A critic of another kind starts at 0 as it is.
    """
    if kind == "reward":
        judge = shared_reward_model(reward, actor.base)
        unit = judge.about.scale * scorer.unit.scale
        actor.value_head.weight.copy_(judge.members[0].head[None] / unit)
        actor.value_head.bias.fill_(-judge.about.offset / unit - scorer.unit.offset / scorer.unit.scale)
