"""Whether a reward model may judge a policy: one that the policy was trained by, or with, says little about it. Without torch."""

from __future__ import annotations

from data.records import Policy, RewardModel
from data.store import Store
from reward.prompt_parts import ALL, is_in_part, trained_comparison_ids


def explain_dependence(store: Store, judge: RewardModel, policy: Policy) -> str | None:
    """Why this judge is not independent of a policy, in words; None where it is.

    It is not where it drove the training of the policy or of one that this descends from, or chose as its guard which checkpoint was
    kept, or learned from comparisons that trained one of these, directly (DPO) or by way of another reward model, or their guard.
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
            return f"{len(shared):,} comparisons trained both {judge.public} and {guard.public}, which chose the kept checkpoint of {ancestor.public}"
    return None


def _line(store: Store, policy: Policy) -> list[Policy]:
    """The policy, its parent, and so on."""
    line = [policy]
    while line[-1].parent_id is not None:
        line.append(store.policies.get(line[-1].parent_id))
    return line


def _guard(store: Store, policy: Policy) -> RewardModel | None:
    """The reward model that watched the training; None where nothing did, or a reward source or a model that is not in this home."""
    written = policy.config.get("guard")  # PPO's setting, as it was written: r2 or 2
    return next((model for model in store.reward_models.all() if written in (model.public, str(model.id))), None)


def _learned_from(store: Store, policy: Policy) -> set[str]:
    """Ids of the comparisons that made a policy what its parent is not."""
    if policy.reward_model_id is not None:
        return trained_comparison_ids(store, store.reward_models.get(policy.reward_model_id))
    if policy.kind != "dpo" or policy.snapshot_id is None:
        return set()
    part = policy.config.get("part", ALL)
    rows = store.snapshots.rows(policy.snapshot_id)
    return {row["comparison_id"] for row in rows if row["split"] == "train" and is_in_part(row["prompt"], part)}
