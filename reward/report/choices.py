# SPDX-License-Identifier: Apache-2.0
"""The choices that lists of policies and reward models offer."""

from __future__ import annotations

from collections.abc import Iterable

from data.records import Policy, RewardModel, RewardRole
from data.store import Store
from labeling.texts.pages import text


def policy_names(store: Store) -> list[str]:
    """Return the choices of a policy field: none, then the policies, newest first."""
    return ["", *(policy.public for policy in reversed(store.policies.all()))]


def model_choices(models: Iterable[Policy | RewardModel]) -> list[tuple[str, str]]:
    """Return (label, value) of policies or reward models, in the order given; the label has a reward model's role."""
    return [(_choice(model), model.public) for model in models]


def role_name(role: RewardRole) -> str:
    """Return the name of a reward model's role in the reader's language."""
    return text(f"reward.role_{role}")


def _choice(model: Policy | RewardModel) -> str:
    role = f" · {role_name(model.role)}" if isinstance(model, RewardModel) else ""
    return f"{model.public}{role} · {model.name}"
