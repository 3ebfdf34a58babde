# SPDX-License-Identifier: Apache-2.0
"""A tour: the whole loop with simulated labelers in a fresh home, from sampling to a comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

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
    world: TourEnvironment | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> TourResult:
    """Run the loop once in `home`, or in an unused folder below it if the home is in use.

    `labels` and `plan` replace the constants above. Raises StageFailed; and BadInput if the starter is missing or,
    before a folder is made, if there would be no label.
    """
    plan = plan or (QUICK if quick else FULL)
    if labels is not None:
        plan = replace(plan, labels=labels)
    check_counts(plan.labels, LABELERS)
    store = Store(unused_folder(home))
    with acquire_lock(store.home / SUPERVISOR):
        tour = Tour(store, plan, seed, world or TourEnvironment(), say)
        tour.world.register(store)
        return _round(tour, all_methods)


def unused_folder(home: Path) -> Path:
    """Return `home` if it holds no store, else the first free folder home/tours/1, 2, ..."""
    home = Path(home).expanduser()
    if not (home / FILE).exists():
        return home
    number = 1
    while (home / "tours" / str(number)).exists():
        number += 1
    return home / "tours" / str(number)


def _round(tour: Tour, all_methods: bool) -> TourResult:
    """Run the stages: sample, label, reward model, PPO, the other methods, compare all with the start."""
    start = tour.store.policies.all()[-1]
    tour.sample(start)
    given = tour.label()
    reward = tour.run("reward", "reward", labels="simulated", base=start.base, **tour.plan.reward)
    (judge,) = reward.produced
    ppo = tour.run("ppo", "ppo", **{"from": start.public, "reward": judge, **tour.plan.ppo})
    others = _others(tour, start, judge) if all_methods else {}
    policies = [*ppo.produced, *others.values()]
    against = {"policies": ",".join(policies), "against": start.public, "reward": judge}
    comparison = tour.run("compare", "compare", **against, **tour.plan.compare).report["evaluations"]
    found = dict(zip(["ppo", *others], comparison, strict=True))
    return TourResult(
        tour.store.home,
        tour_document(tour, given, reward.report, ppo.report, found),
        reward.report,
        ppo.report,
        found["ppo"],
    )


def _others(tour: Tour, start: Policy, judge: str) -> dict[str, str]:
    """Train a policy by each other method on the same labels; SFT starts at the base, on instruction rows."""
    given = {
        "dpo": {"from": start.public, "labels": "simulated"},
        "rejection": {"from": start.public, "reward": judge},
        "best-of-n": {"from": start.public, "reward": judge},
    }
    return {
        kind: tour.run(kind, kind, **given.get(kind, {}), **tour.plan.methods.get(kind, {})).produced[0]
        for kind in METHODS
    }
