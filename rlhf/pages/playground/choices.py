# SPDX-License-Identifier: Apache-2.0
"""The models, rewards and projects that the playground offers. Without gradio."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from data.store import Store
from reward.report.view import model_choices
from rlhf.models.reward_sources import read_sources


@dataclass(frozen=True, slots=True)
class PlaygroundChoices:
    """Lists of (label, value) with the newest first, names of open projects, and what is chosen at first."""

    policies: list[tuple[str, str]]
    rewards: list[tuple[str, str]]
    projects: list[str]
    usual_policies: list[str]
    usual_rewards: list[str]

    @property
    def names(self) -> dict[str, Any]:
        """Return everything as plain values, to see whether it changed."""
        return asdict(self)


def offer_models(store: Store) -> PlaygroundChoices:
    """Return the choices. The newest policy, its parent and the newest reward model are chosen at first."""
    policies = store.policies.all()
    models = model_choices(reversed(store.reward_models.all()))
    newest = policies[-1] if policies else None
    family = (newest.parent_id, newest.id) if newest else ()
    return PlaygroundChoices(
        policies=model_choices(reversed(policies)),
        rewards=models + [(name, name) for name in read_sources(store.home)],
        projects=[project.name for project in store.projects.all() if not project.closed],
        usual_policies=[policy.public for policy in policies if policy.id in family],
        usual_rewards=[value for _, value in models[:1]],
    )
