"""Contests: which policies a comparison sets against each other."""

from __future__ import annotations

from typing import Any

from data.errors import BadInput
from data.ids import POLICY, parse_id
from data.records import Policy
from data.store import Store


def choose_contests(store: Store, settings: Any) -> list[tuple[Policy, Policy]]:
    """(policy, the one it is compared with): the named policies, or the newest; each with `against`, or with its parent.

    Raises BadInput for an unknown policy, and for one without a parent where `against` is empty.
    """
    policies = [store.policies.get(parse_id(name, POLICY)) for name in settings.policies] or store.policies.all()[-1:]
    if not policies:
        raise BadInput(
            "there is no policy in this home yet",
            "Start the app once, or import one: preference-loop import DIR --as policy",
        )
    for policy in policies:
        if not settings.against and policy.parent_id is None:
            raise BadInput(
                f"{policy.public} has no parent to be compared with", "Name a policy with --against.", field="against"
            )
    return [(policy, store.policies.get(parse_id(settings.against or policy.parent_id, POLICY))) for policy in policies]
