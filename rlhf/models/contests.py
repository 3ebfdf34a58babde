# SPDX-License-Identifier: Apache-2.0
"""Contests: the pairs of policies that a comparison sets against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from data.ids import POLICY, parse_id
from data.records import Policy
from data.store import Store
from labeling.texts.pages import bad_input


class ContestSettings(Protocol):
    """The settings that name the policies of a comparison."""

    @property
    def policies(self) -> Sequence[str]:
        """The policies to compare; empty: the newest one."""
        ...

    @property
    def against(self) -> str:
        """The policy that each is compared with; empty: its parent."""
        ...


def choose_contests(store: Store, settings: ContestSettings) -> list[tuple[Policy, Policy]]:
    """Return (policy, opponent) pairs: the named policies, or the newest, each with `against` or with its parent.

    Raises BadInput for an unknown policy, and for one without a parent if `against` is empty.
    """
    policies = [store.policies.get(parse_id(name, POLICY)) for name in settings.policies] or store.policies.all()[-1:]
    if not policies:
        raise bad_input("need.policy")
    for policy in policies:
        if not settings.against and policy.parent_id is None:
            raise bad_input("need.parent", policy=policy.public, field="against")
    return [(policy, store.policies.get(parse_id(settings.against or policy.parent_id, POLICY))) for policy in policies]
