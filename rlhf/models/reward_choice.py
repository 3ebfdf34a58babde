# SPDX-License-Identifier: Apache-2.0
"""The reward that drives a run: a reward model of the home, or an entry of its list of reward sources."""

from __future__ import annotations

from typing import cast

from data.errors import BadInput
from data.records import Policy
from data.records import RewardModel as RewardRecord
from data.store import Store
from reward.base.frozen_base import Base
from reward.model import LowerConfidenceBound, RewardModel
from reward.protocol import Rewarder, RewardFunction
from rlhf.models.reward_sources import load_source, missing_members, reward_record


def choose_reward(store: Store, wanted: str) -> RewardRecord | None:
    """Return the reward model `wanted` ("r3"), the newest one if empty, None for a reward source.

    Raises BadInput if there is no such reward.
    """
    if wanted:
        return reward_record(store, wanted)
    models = store.reward_models.all()
    if not models:
        raise BadInput("there is no reward model yet", "Train one: preference-loop train reward", field="reward")
    return models[-1]


def load_reward(store: Store, name: str, base: Base, policy: Policy) -> Rewarder | RewardFunction:
    """Load a reward source, or a reward model: on the policy's base if both share it, else on a base of its own."""
    record = reward_record(store, name)
    if record is None:
        return load_source(store.home, name)
    return RewardModel.load(
        store.home / record.adapter, base if record.base == policy.base else record.base, base.device
    )


def with_uncertainty_penalty(reward: Rewarder | RewardFunction, uncertainty: float) -> Rewarder | RewardFunction:
    """Return the reward minus `uncertainty` times its members' deviation; 0 returns the reward itself.

    Raises BadInput if the reward is not an ensemble.
    """
    if not uncertainty:
        return reward
    if len(getattr(reward, "members", ())) < 2:
        raise missing_members(uncertainty)
    return LowerConfidenceBound(cast(RewardModel, reward), uncertainty)
