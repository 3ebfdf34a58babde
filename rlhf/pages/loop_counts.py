"""What the stations of the ring hold right now, read from the store."""

from __future__ import annotations

from data.ids import POLICY, public_id
from data.records import Policy
from data.store import Store
from data.views.head_to_head import head_to_head, mean_outcomes
from rlhf.pages.next_step import Newest, Ring


def look_round(store: Store) -> Ring:
    """Counts for the Loop page and for the suggested next step."""
    rewards = store.reward_models.all()
    last = rewards[-1] if rewards else None
    since = last.created_at if last else ""
    running = store.runs.all(state="running") + store.runs.all(state="queued")
    return Ring(
        prompts=store.prompts.count(),
        test_prompts=store.prompts.count("test"),
        completions=store.completions.count(),
        waiting=store.pairs.waiting_count(),
        waiting_compare=store.pairs.waiting_count("compare"),
        by_people=store.comparisons.count("person"),
        simulated=store.comparisons.count("simulated"),
        imported=store.comparisons.count("import"),
        fresh=store.comparisons.count("person", since) + store.comparisons.count("import", since),
        disputed=store.adjudications.open_count(),
        reward_models=len(rewards),
        newest_reward=last.public if last else None,
        driven=last is not None and any(policy.reward_model_id == last.id for policy in store.policies.all()),
        policies=store.policies.count(),
        newest=_newest(store),
        active=running[0].public if running else None,
    )


def _newest(store: Store) -> Newest | None:
    """The newest policy that a run of this home trained from another one."""
    trained = [policy for policy in store.policies.all() if policy.parent_id and policy.run_id]
    if not trained:
        return None
    policy: Policy = trained[-1]
    met = head_to_head(store, "person", between=(policy.id, policy.parent_id))
    return Newest(
        policy.public, public_id(POLICY, policy.parent_id), len(mean_outcomes(met, policy.id, policy.parent_id))
    )
