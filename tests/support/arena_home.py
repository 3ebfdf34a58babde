# SPDX-License-Identifier: Apache-2.0
"""A home for the arena: policies, reward models and the figures of an evaluation."""

from __future__ import annotations

from data.store import Store

MARKUP = "<img src=x onerror=alert(1)>"


EVALUATION = {
    "win_rate": 0.7,
    "win_rate_ci": [0.6, 0.8],
    "win_rate_noisy": 0.64,
    "kl": 2.25,
    "gold_end": 1.5,
    "length_end": 30.0,
    "distinct_2_end": 0.61,
    "prompts": 300,
    "seed": 0,
}


def fill_arena(store: Store) -> Store:
    """Add policies and reward models: p1 the start, p2 PPO by r1, p3 DPO on s1, p4 best of n by r1.

    r1 and r2 are trained on halves of the labels, r3 on all of them.
    """
    label = {"prompt": "q", "split": "train"}
    snapshots = [
        store.snapshots.freeze("preferences", [label | {"comparison_id": name} for name in names], {})
        for names in (("a", "b"), ("c", "d"), "abcd")
    ]
    for snapshot in snapshots:
        store.reward_models.add(name="reward", base="b", adapter="r", snapshot_id=snapshot.id)
    store.policies.add(name="start", kind="sft", base="b", adapter="x")
    store.policies.add(name="driven", kind="ppo", base="b", adapter="x", parent_id=1, reward_model_id=1)
    store.policies.add(name=MARKUP, kind="dpo", base="b", adapter="x", parent_id=1, snapshot_id=snapshots[0].id)
    store.policies.add(
        name="best", kind="best-of-n", base="b", adapter="x", parent_id=1, reward_model_id=1, config={"n": 8}
    )
    return store
