# SPDX-License-Identifier: Apache-2.0
"""Counts of the loop's stations, read from the store."""

from __future__ import annotations

from data.ids import POLICY, public_id
from data.store import Store
from data.views.head_to_head import head_to_head, mean_outcomes
from data.views.judging import newest_judging
from rlhf.models.drivers import choose_driver
from rlhf.pages.doubts import find_doubt
from rlhf.pages.next_step import LoopCounts, NewestPolicy


def count_loop(store: Store) -> LoopCounts:
    """Return the counts for the Loop page and for the suggested next step."""
    rewards = store.reward_models.all()
    newest_driver = next((model for model in reversed(rewards) if model.role == "driver"), None)
    chosen = choose_driver(store)
    driver = chosen.model if chosen else None
    since = newest_driver.created_at if newest_driver else ""
    active = store.runs.all(state="running") + store.runs.all(state="queued")
    driven = {policy.reward_model_id for policy in store.policies.all()}
    simulated = store.comparisons.count("simulated")
    admits = store.runs.has_kind("simulate")  # a command's simulated labels count only if a run's settings say so
    return LoopCounts(
        prompts=store.prompts.count(),
        test_prompts=store.prompts.count("test"),
        completions=store.completions.count(),
        waiting=store.pairs.waiting_count(),
        by_people=store.comparisons.count("person"),
        simulated=simulated,
        admitted=simulated if admits else 0,
        imported=store.comparisons.count("import"),
        by_ai=store.comparisons.count("ai"),
        fresh=store.comparisons.count("person", since) + store.comparisons.count("import", since),
        fresh_admitted=store.comparisons.count("simulated", since) if admits else 0,
        disputed=store.adjudications.open_count(),
        reward_models=len(rewards),
        newest_driver=newest_driver.public if newest_driver else None,
        driver=driver.public if driver else None,
        doubt=find_doubt(driver.report) if driver else None,
        driven=driver is not None and driver.id in driven,
        policies=store.policies.count(),
        newest=_newest_policy(store),
        active=active[0].public if active else None,
        online=next((run.public for run in active if run.kind == "online" and run.state == "running"), None),
    )


def _newest_policy(store: Store) -> NewestPolicy | None:
    """Return the newest policy that a run of this home trained from another one."""
    trained = [policy for policy in store.policies.all() if policy.parent_id and policy.run_id]
    if not trained:
        return None
    policy, parent = trained[-1], trained[-1].parent_id
    assert parent is not None
    met = head_to_head(store, "person", between=(policy.id, parent))
    judged = len(mean_outcomes(met, policy.id, parent))
    compared = any(report.against_id == parent for report in store.evaluations.all(policy.id))
    waiting = store.pairs.waiting_between(policy.id, parent)
    against = public_id(POLICY, parent)
    judging = newest_judging(store, policy.public, against)
    decided = judging is not None and judging.is_decided
    return NewestPolicy(policy.public, against, judged, compared, waiting, decided)
