# SPDX-License-Identifier: Apache-2.0
"""Independence of a reward model from a policy: one that trained the policy cannot evaluate it.

Importable without torch.
"""

from __future__ import annotations

from data.records import Policy, RewardModel
from data.store import Store
from reward.prompt_parts import ALL, is_in_part, trained_comparison_ids


def explain_dependence(store: Store, judge: RewardModel, policy: Policy) -> str | None:
    """Return the reason why this judge is not independent of a policy; None if it is.

    It is not if, for the policy or one of its ancestors, it was the reward of the training, or the guard that chose the
    checkpoint, or if it learned from comparisons that trained them, their reward model or their guard.
    """
    own = trained_comparison_ids(store, judge)
    for ancestor in _line(store, policy):
        if ancestor.reward_model_id == judge.id:
            return f"{judge.public} drove {ancestor.public}"
        guard = _guard(store, ancestor)
        if guard and guard.id == judge.id:
            return f"{judge.public} chose the kept checkpoint of {ancestor.public}"
        if shared := own & _learned_from(store, ancestor):
            return f"{len(shared):,} comparisons trained both {judge.public} and {ancestor.public}"
        if guard and (shared := own & trained_comparison_ids(store, guard)):
            return (
                f"{len(shared):,} comparisons trained both {judge.public} and {guard.public}, "
                f"which chose the kept checkpoint of {ancestor.public}"
            )
    return None


def _line(store: Store, policy: Policy) -> list[Policy]:
    """Return the policy, its parent, and so on."""
    line = [policy]
    while line[-1].parent_id is not None:
        line.append(store.policies.get(line[-1].parent_id))
    return line


def _guard(store: Store, policy: Policy) -> RewardModel | None:
    """Return the guard of the training; None without one, or if it is not a reward model of this home."""
    written = policy.config.get("guard")  # PPO's setting, as it was written: r2 or 2
    return next((model for model in store.reward_models.all() if written in (model.public, str(model.id))), None)


def _learned_from(store: Store, policy: Policy) -> set[str]:
    """Return the ids of the comparisons that trained a policy, beyond its parent."""
    if policy.reward_model_id is not None:
        return trained_comparison_ids(store, store.reward_models.get(policy.reward_model_id))
    if policy.kind != "dpo" or policy.snapshot_id is None:
        return set()
    part = policy.config.get("part", ALL)
    rows = store.snapshots.rows(policy.snapshot_id)
    return {row["comparison_id"] for row in rows if row["split"] == "train" and is_in_part(row["prompt"], part)}
