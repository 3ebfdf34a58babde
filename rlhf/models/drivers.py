# SPDX-License-Identifier: Apache-2.0
"""The reward models that drive and guard a training by default.

The driver is the newest one that is not clearly worse than another. The guard is the newest one that is independent.

A driver is clearly worse if its 95 % interval of accuracy on test prompts lies below that of another driver. The test
comparisons of two models may differ, so a smaller difference does not decide. Importable without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from data.records import Policy, RewardModel
from reward.prompt_parts import count_shared

if TYPE_CHECKING:
    from data.store import Store  # with pandas, which the help of the commands does without


class Driver(NamedTuple):
    """The chosen driver, and the reason: `newest`, or `best` if newer drivers are clearly worse."""

    model: RewardModel
    why: str


def choose_driver(store: Store) -> Driver | None:
    """Return the driver that an empty setting means now; None if the home has no driver."""
    drivers = [model for model in store.reward_models.all() if model.role == "driver"]
    measured = {model.id: model.report["ci"] for model in drivers if model.report.get("ci")}
    highest_low = max((low for low, _ in measured.values()), default=0.0)
    for model in reversed(drivers):
        if model.id not in measured or measured[model.id][1] >= highest_low:
            return Driver(model, "newest" if model is drivers[-1] else "best")
    return None


def choose_guard(store: Store, driver: RewardModel | None, policy: Policy) -> RewardModel | None:
    """Return the newest guard on the policy's base that shares no training comparison with the driver.

    None if there is none, and without validation prompts, since a guard scores answers to them. The driver is None for
    a reward source, whose training data are unknown.
    """
    if not store.prompts.count("validation"):
        return None
    guards = [model for model in store.reward_models.all() if model.role == "guard" and model.base == policy.base]
    apart = (model for model in reversed(guards) if driver is None or _is_apart(store, model, driver))
    return next(apart, None)


def _is_apart(store: Store, guard: RewardModel, driver: RewardModel) -> bool:
    return guard.id != driver.id and guard.snapshot_id is not None and not count_shared(store, guard, driver)
