"""Which reward a run is driven by, and how it is loaded: a reward model of the home, or an entry of its list of reward sources."""

from __future__ import annotations

from data.errors import BadInput
from data.records import Policy
from data.records import RewardModel as RewardRecord
from data.store import Store
from reward.base.frozen_base import Base
from reward.ensemble import Cautious, RewardEnsemble
from reward.model import RewardModel
from reward.protocol import Rewarder, RewardFunction
from rlhf.models.reward_sources import load_source, missing_members, reward_record


def choose_reward(store: Store, wanted: str) -> RewardRecord | None:
    """The reward model called `wanted` ("r3"), or the newest one; None for a reward source. Raises BadInput where there is none."""
    if wanted:
        return reward_record(store, wanted)
    models = store.reward_models.all()
    if not models:
        raise BadInput("there is no reward model yet", "Train one first: preference-loop train reward", field="reward")
    return models[-1]


def load_reward(store: Store, name: str, base: Base, policy: Policy) -> Rewarder | RewardFunction:
    """A reward source; or a reward model, on the policy's base where both share it: an adapter and a head; else with a base of its own."""
    record = reward_record(store, name)
    if record is None:
        return load_source(store.home, name)
    return RewardModel.load(
        store.home / record.adapter, base if record.base == policy.base else record.base, base.device
    )


def careful(reward: Rewarder | RewardFunction, uncertainty: float) -> Rewarder | RewardFunction:
    """The reward less the price of its members' disagreement. Raises BadInput where a price is named and there are no members."""
    if not uncertainty:
        return reward
    if not isinstance(reward, RewardEnsemble):
        raise missing_members(uncertainty)
    return Cautious(reward, uncertainty)
