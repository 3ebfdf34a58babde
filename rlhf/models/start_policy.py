# SPDX-License-Identifier: Apache-2.0
"""The starting policy of a training. Importable without torch."""

from __future__ import annotations

from data.ids import POLICY, parse_id
from data.records import Policy
from data.store import Store
from labeling.texts.pages import bad_input

BEST_OF_N = "best-of-n"
"""The kind of a policy that answers by choosing among several answers of its parent."""


def choose_start(store: Store, wanted: str) -> Policy:
    """Return the policy to train from: the one called `wanted`, or the newest one that has its own weights.

    Raises BadInput if there is none, and for best-of-n, which answers with another policy's weights.
    """
    if wanted:
        policy = store.policies.get(parse_id(wanted, POLICY))
        if policy.kind == BEST_OF_N:
            raise bad_input("need.own_weights", policy=policy.public, parent=f"p{policy.parent_id}", field="from")
        return policy
    policies = [policy for policy in store.policies.all() if policy.kind != BEST_OF_N]
    if not policies:
        raise bad_input("need.policy")
    return policies[-1]


def choose_adapted(store: Store, wanted: str) -> Policy:
    """Return the policy as `choose_start` does. Raises BadInput if it has no adapter to merge."""
    policy = choose_start(store, wanted)
    if not policy.adapter:
        raise bad_input("need.adapter_to_merge", policy=policy.public, field="id")
    return policy


def choose_first_policy(store: Store, wanted: str) -> Policy:
    """Return the policy called `wanted`, or the first one of the home."""
    if wanted:
        return choose_start(store, wanted)
    policies = store.policies.all()
    if not policies:
        raise bad_input("need.policy", field="from")
    return min(policies, key=lambda policy: policy.id)
