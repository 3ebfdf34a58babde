# SPDX-License-Identifier: Apache-2.0
"""The models, rewards and projects that the playground offers. Without gradio."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from data.store import Store
from reward.report.choices import model_choices
from rlhf.models.drivers import choose_driver
from rlhf.models.reward_sources import read_sources
from rlhf.playground.exchange import MOST_POLICIES
from rlhf.sampling.listed_endpoints import read_endpoints


@dataclass(frozen=True, slots=True)
class PlaygroundChoices:
    """Lists of (label, value) with the newest first, names of open projects, and what is chosen at first.

    `policies` ends with the endpoints, by name.
    """

    policies: list[tuple[str, str]]
    rewards: list[tuple[str, str]]
    projects: list[str]
    usual_policies: list[str]
    usual_rewards: list[str]


def mark_models(store: Store) -> str:
    """Return a mark that changes with what `offer_models` lists. It reads counts, projects and two small files."""
    projects = [(project.name, project.closed) for project in store.projects.all()]
    specs = [read_sources(store.home), sorted(read_endpoints(store.home))]
    return str(crc32(repr((store.policies.count(), store.reward_models.count(), projects, specs)).encode()))


def offer_models(store: Store) -> PlaygroundChoices:
    """Return the choices. The newest policy, its parent and the default driver are chosen at first."""
    policies = store.policies.all()
    models = model_choices(reversed(store.reward_models.all()))
    endpoints = {name: endpoint.model for name, endpoint in read_endpoints(store.home).items()}
    newest, driver = policies[-1] if policies else None, choose_driver(store)
    family = (newest.parent_id, newest.id) if newest else ()
    return PlaygroundChoices(
        policies=model_choices(reversed(policies)) + [(f"{name} {model}", name) for name, model in endpoints.items()],
        rewards=models + [(name, name) for name in read_sources(store.home)],
        projects=[project.name for project in store.projects.all() if not project.closed],
        usual_policies=[policy.public for policy in policies if policy.id in family],
        usual_rewards=[driver.model.public] if driver else [],
    )


def read_address(chosen: str, choices: PlaygroundChoices) -> tuple[list[str], list[str]]:
    """Return the policies and endpoints that the page's address names, as `p1,p2`, and the unknown names in it."""
    names = list(dict.fromkeys(name.strip() for name in chosen.split(",") if name.strip()))
    known = {value for _, value in choices.policies}
    return [name for name in names if name in known][:MOST_POLICIES], [name for name in names if name not in known]
