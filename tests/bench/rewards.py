# SPDX-License-Identifier: Apache-2.0
"""Skill of reward models by the number of labels they were trained on, with test labels enough to tell."""

from __future__ import annotations

import io
import math
from pathlib import Path

from data import Store
from labeling.simulate import simulate
from rlhf.tour.narrator import Narrator
from rlhf.tour.stages import FULL, LABELERS, SPARE, Tour, TourEnvironment

SIZES = (1000, 3000)
TEST_PAIRS_PER_PROMPT = 3
"""900 and more test labels: the standard error of an accuracy is then about 0.013."""
SHOWN = (
    "accuracy",
    "ci",
    "ceiling",
    "skill",
    "gold_accuracy",
    "fit_accuracy",
    "fit_ci",
    "fit_pairs",
    "length_baseline",
)


def reward_skill(home: Path, *, seed: int = 0) -> dict:
    """One label per pair; the larger training set contains the smaller one, and all are judged on the same test labels."""
    store = Store(home)
    tour = Tour(store, FULL, seed, TourEnvironment(), Narrator(io.StringIO(), ()))
    tour.world.register(store)
    start = store.policies.all()[-1]
    test = {"from": start.public, "split": "test", "prompts": store.prompts.count("test")}
    tour.run("sample", "sample", **test, per_prompt=2 * TEST_PAIRS_PER_PROMPT)
    held_out = _label(tour, store.pairs.waiting_count())
    found = {"test_labels": held_out, "seed": seed}
    trained_on = 0
    for size in SIZES:
        _sample_train(tour, size - trained_on)
        trained_on += _label(tour, size - trained_on)
        run = tour.run("reward", "reward", labels="simulated", base=start.base)
        found[f"labels_{size}"] = {"labels": trained_on, "seconds": tour.stages["reward"]["seconds"]} | {
            name: run.report.get(name) for name in SHOWN
        }
    return found


def _sample_train(tour: Tour, labels: int) -> None:
    """Pairs on train prompts for so many labels: more than one per prompt only where prompts run out."""
    pairs = math.ceil(labels * SPARE)
    each = math.ceil(pairs / tour.store.prompts.count("train"))
    start = tour.store.policies.all()[-1]
    tour.run(
        "sample",
        "sample",
        **{"from": start.public, "split": "train", "prompts": math.ceil(pairs / each), "per_prompt": 2 * each},
    )


def _label(tour: Tour, labels: int) -> int:
    return simulate(tour.store, labels=labels, labelers=LABELERS, seed=tour.seed, score=tour.world.score, overlap=1.0)
