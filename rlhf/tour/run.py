# SPDX-License-Identifier: Apache-2.0
"""A tour: the whole loop with simulated labelers in a fresh home, from sampling to a comparison."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from data.errors import BadInput
from data.records import Policy
from data.store import Store
from labeling.simulate import check_counts
from rlhf.common.locks import SUPERVISOR, acquire_lock
from rlhf.tour.document import TourResult, tour_document
from rlhf.tour.examples import compared_answers, preferred_answer, sampled_answer, trained_answers
from rlhf.tour.narrator import Narrator
from rlhf.tour.new_home import new_home
from rlhf.tour.plain import describe_reward, open_command
from rlhf.tour.stages import FULL, LABELERS, QUICK, Tour, TourEnvironment, TourPlan

STAGES = ("sample", "label", "reward", "ppo")
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
    stream: TextIO | None = None,
) -> TourResult:
    """Run the loop once in `home`, or in a new folder below it if the home is in use.

    `labels` and `plan` replace the default sizes. `stream` gets the lines of the narrator, stderr by default. An
    interrupt removes what the tour created. Raises StageFailed if a run fails. Raises BadInput if the starter is
    missing, if another process works in the home, or, before it creates a folder, if `labels` is too small.
    """
    plan = plan or (QUICK if quick else FULL)
    if labels is not None:
        plan = replace(plan, labels=labels, minutes=0)
    check_counts(plan.labels, LABELERS)
    narrator = Narrator(stream or sys.stderr, [*STAGES, *(METHODS if all_methods else ()), "compare"])
    with new_home(home, narrator) as folder:
        store = Store(folder)
        lock = acquire_lock(store.home / SUPERVISOR)
        if lock is None:
            raise BadInput(
                "another process works in this home",
                "Wait until it has ended, or name another one.",
                file=str(store.home),
            )
        with lock:
            introduce(narrator, store.home, 0 if all_methods else plan.minutes)
            tour = Tour(store, plan, seed, environment or TourEnvironment(), narrator)
            tour.environment.register(store)
            return _run_stages(tour, all_methods)


def introduce(narrator: Narrator, home: Path, minutes: int) -> None:
    """Say what the tour does, how long it takes, where it writes and how to watch it."""
    takes = f"Takes about {minutes} min on two CPU cores. " if minutes else ""
    narrator.print("A tour: sample answers, compare them, train a reward model, then train a policy with it.")
    narrator.print(f"{takes}Ctrl-C stops it and removes its home.")
    narrator.print(f"Home:           {home}")
    narrator.print(f"In the browser: {open_command(home)}")


def _run_stages(tour: Tour, all_methods: bool) -> TourResult:
    """Run the stages: sample, label, reward model, PPO, the other methods, compare all with the start."""
    start, show = tour.store.policies.all()[-1], tour.narrator.answers
    show(**sampled_answer(tour.store, tour.sample(start)))
    label_count = tour.label()
    show(**preferred_answer(tour.store))
    reward = tour.run("reward", "reward", labels="simulated", base=start.base, **tour.plan.reward)
    (reward_model,) = reward.produced
    tour.narrator.print(f"  {describe_reward(reward.report)}")
    ppo = tour.run("ppo", "ppo", **{"from": start.public, "reward": reward_model, **tour.plan.ppo})
    show(**trained_answers(tour.store, ppo))
    others = _train_others(tour, start, reward_model) if all_methods else {}
    policies = [*ppo.produced, *others.values()]
    against = {"policies": ",".join(policies), "against": start.public, "reward": reward_model}
    reports = tour.run("compare", "compare", **against, **tour.plan.compare).report["evaluations"]
    comparisons = dict(zip(["ppo", *others], reports, strict=True))
    show(**compared_answers(comparisons["ppo"]))
    tour.narrator.print()
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
