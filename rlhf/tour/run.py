# SPDX-License-Identifier: Apache-2.0
"""A tour: the whole loop with simulated labelers in a fresh home, from sampling to a comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from data.errors import BadInput
from data.records import Policy
from data.store import FILE, Store
from labeling.simulate import check_counts
from rlhf.common.locks import SUPERVISOR, acquire_lock
from rlhf.tour.document import TourResult, tour_document
from rlhf.tour.stages import FULL, LABELERS, QUICK, Tour, TourEnvironment, TourPlan

METHODS = ("dpo", "rejection", "best-of-n", "sft")
"""The run kinds that `all_methods` adds; all but the last start from PPO's start."""


def run_tour(
    home: Path,
    *,
    quick: bool = False,
    seed: int = 0,
    labels: int | None = None,
    all_methods: bool = False,
    plan: TourPlan | None = None,
    environment: TourEnvironment | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> TourResult:
    """Run the loop once in `home`, or in an unused folder below it if the home is in use.

    `labels` and `plan` replace the default sizes. Raises StageFailed if a run fails. Raises BadInput if the starter
    is missing, if another process works in the home, or, before it creates a folder, if `labels` is too small.
    """
    plan = plan or (QUICK if quick else FULL)
    if labels is not None:
        plan = replace(plan, labels=labels)
    check_counts(plan.labels, LABELERS)
    store = Store(unused_folder(home))
    lock = acquire_lock(store.home / SUPERVISOR)
    if lock is None:
        raise BadInput(
            "another process works in this home", "Wait until it has ended, or name another one.", file=str(store.home)
        )
    with lock:
        tour = Tour(store, plan, seed, environment or TourEnvironment(), say)
        tour.environment.register(store)
        return _run_stages(tour, all_methods)


def unused_folder(home: Path) -> Path:
    """Return `home` if it holds no store, else the first free folder home/tours/1, 2, ..."""
    home = Path(home).expanduser()
    if not (home / FILE).exists():
        return home
    number = 1
    while (home / "tours" / str(number)).exists():
        number += 1
    return home / "tours" / str(number)


def _run_stages(tour: Tour, all_methods: bool) -> TourResult:
    """Run the stages: sample, label, reward model, PPO, the other methods, compare all with the start."""
    start = tour.store.policies.all()[-1]
    tour.sample(start)
    label_count = tour.label()
    reward = tour.run("reward", "reward", labels="simulated", base=start.base, **tour.plan.reward)
    (reward_model,) = reward.produced
    ppo = tour.run("ppo", "ppo", **{"from": start.public, "reward": reward_model, **tour.plan.ppo})
    others = _train_others(tour, start, reward_model) if all_methods else {}
    policies = [*ppo.produced, *others.values()]
    against = {"policies": ",".join(policies), "against": start.public, "reward": reward_model}
    reports = tour.run("compare", "compare", **against, **tour.plan.compare).report["evaluations"]
    comparisons = dict(zip(["ppo", *others], reports, strict=True))
    return TourResult(
        tour.store.home,
        tour_document(tour, label_count, reward.report, ppo.report, comparisons),
        reward.report,
        ppo.report,
        comparisons["ppo"],
    )


def _train_others(tour: Tour, start: Policy, reward_model: str) -> dict[str, str]:
    """Train a policy by each other method on the same labels; SFT starts at the base, on instruction rows."""
    settings = {
        "dpo": {"from": start.public, "labels": "simulated"},
        "rejection": {"from": start.public, "reward": reward_model},
        "best-of-n": {"from": start.public, "reward": reward_model},
    }
    return {
        kind: tour.run(kind, kind, **settings.get(kind, {}), **tour.plan.methods.get(kind, {})).produced[0]
        for kind in METHODS
    }
