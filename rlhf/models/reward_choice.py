# SPDX-License-Identifier: Apache-2.0
"""Loading of the reward that drives a run: a reward model of the home, or an entry of its list of reward sources."""

from __future__ import annotations

from typing import cast

from data.records import Policy
from data.store import Store
from reward.base.frozen_base import Base
from reward.base.text.template_options import TemplateOptions
from reward.model import LowerConfidenceBound, RewardModel
from reward.protocol import Rewarder, RewardFunction
from rlhf.models.reward_sources import load_source, missing_members, reward_record


def load_reward(store: Store, name: str, base: Base, policy: Policy) -> Rewarder | RewardFunction:
    """Load a reward source, or a reward model: on the policy's base if both share it and its template.

    Else the reward model gets a base of its own.
    """
    record = reward_record(store, name)
    if record is None:
        return load_source(store.home, name)
    shared = record.base == policy.base and base.has_template(TemplateOptions.of(record))
    return RewardModel.load(store.home / record.adapter, base if shared else record.base, base.placement)


def with_uncertainty_penalty(reward: Rewarder | RewardFunction, uncertainty: float) -> Rewarder | RewardFunction:
    """Return the reward minus `uncertainty` times its members' deviation; 0 returns the reward itself.

    Raises BadInput if the reward is not an ensemble.
    """
    if not uncertainty:
        return reward
    if len(getattr(reward, "members", ())) < 2:
        raise missing_members(uncertainty)
    return LowerConfidenceBound(cast(RewardModel, reward), uncertainty)
