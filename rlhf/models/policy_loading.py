# SPDX-License-Identifier: Apache-2.0
"""Loading of policies: bases are loaded once per process, and each policy is an adapter on one.

Importable without torch, which comes with the first base.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import reward
from data.ids import POLICY, parse_id
from data.records import Policy, RewardModel
from data.settings import Settings
from data.store import Store
from labeling.texts.pages import bad_input
from reward.base.text.template_options import TemplateOptions, check_arguments, read_arguments
from reward.placement_settings import PlacementSettings
from rlhf.settings import TemplateSettings

OWN_TEMPLATE = TemplateOptions()


class Bases:
    """A cache of this process's bases by their source: a folder, a hub id, or "starter".

    All lie where the settings of the run say; None: on a GPU if there is one. Policies have the arguments of the chat
    template that the settings give, reward models always those of their training.
    """

    def __init__(self, settings: PlacementSettings | None = None) -> None:
        self._settings = settings
        self._loaded: list[tuple[str, reward.Base]] = []

    def get(self, source: str, options: TemplateOptions = OWN_TEMPLATE) -> reward.Base:
        """Return the base of that source with these options of its template. Raises BadInput if it cannot load."""
        for name, base in self._loaded:
            if name == source and base.has_template(options):
                return base
        from reward.base.placement import Placement  # with torch

        base = reward.Base.load(source, placement=Placement.choose(self._settings), **options.keywords())
        self._loaded.append((source, base))
        return base

    def of(self, row: Policy | RewardModel) -> reward.Base:
        """Return the base of a policy or reward model, with the template stored with it and the run's arguments.

        Raises BadInput if it cannot load, and for an argument of the run that the template does not read.
        """
        if isinstance(row, RewardModel):
            return self.get(row.base, TemplateOptions.of(row))
        base = self.get(row.base, template_options(row, self._settings))
        check_template_set(base, self._settings)
        return base


def template_options(policy: Policy, settings: Settings | None) -> TemplateOptions:
    """Return the options of a policy's template in a run with these settings."""
    return TemplateOptions.of(policy).with_arguments(_run_arguments(settings))


def check_template_set(base: reward.Base, settings: Settings | None) -> None:
    """Raise BadInput for an argument of a run's settings that the base's chat template does not read."""
    check_arguments(base.tokenizer.chat_template, _run_arguments(settings), "template_set")


def _run_arguments(settings: Settings | None) -> dict[str, Any]:
    return read_arguments(settings.template_set, "template_set") if isinstance(settings, TemplateSettings) else {}


def load_policy(store: Store, bases: Bases, policy_id: str | int) -> str | None:
    """Return the role of a policy on `bases.of(policy)`: its public id, or None for a bare base.

    Raises BadInput for an unknown policy, or one whose folder is missing.
    """
    policy = store.policies.get(policy_id)
    base = bases.of(policy)
    if policy.adapter is None:
        return None
    if policy.public not in base.adapters:
        base.add_adapter(policy.public, adapter_folder(store, policy))
    return policy.public


def adapter_folder(store: Store, policy: Policy) -> Path:
    """Return the folder of a policy's adapter. Raises BadInput if it is missing."""
    folder = store.home / (policy.adapter or "")
    if not (folder / "adapter_config.json").is_file():
        raise bad_input("refused.adapter_lost", public=policy.public, name=policy.name, folder=folder)
    return folder


def choose_policy(store: Store, wanted: str) -> Policy:
    """Return the policy called `wanted` ("p4"), or the newest one if it is empty. Raises BadInput if there is none."""
    if wanted:
        return store.policies.get(parse_id(wanted, POLICY))
    policies = store.policies.all()
    if not policies:
        raise bad_input("need.policy")
    return max(policies, key=lambda policy: policy.id)


def choose_policies(store: Store, wanted: str, against: str) -> list[Policy]:
    """Return the policy that answers, by `choose_policy`, and the one it is compared with if one is named.

    Raises BadInput if one is unknown or compared with itself.
    """
    policies = [choose_policy(store, name) for name in ([wanted, against] if against else [wanted])]
    if len({policy.id for policy in policies}) < len(policies):
        raise bad_input("need.other_policy", policy=policies[0].public, field="against")
    return policies
