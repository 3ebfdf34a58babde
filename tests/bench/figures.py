# SPDX-License-Identifier: Apache-2.0
"""How each short figure is measured; every function gets an empty folder and gives plain values."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from data import Store
from labeling.session import Answer, Session
from tests.bench.clinic import clinic_quality, k_centre_speed, near_duplicates_speed
from tests.bench.files import export_large, import_large
from tests.bench.memory import memory_estimate, memory_estimate_large
from tests.bench.online_speed import online_speed
from tests.bench.rewards import reward_skill
from tests.bench.sampling import sampling
from tests.bench.serve.big_home import big_home
from tests.bench.serve.kill9 import kill9
from tests.bench.serve.labelers_limit import labelers_limit
from tests.bench.serve.serve_load import serve_load
from tests.bench.serve.start_server import serving_app
from tests.support import ROOT

PAIRS = 600
"""Pairs waiting, and answered, in the figure of labels per second."""
PATIENCE = 120.0
FEW_LABELS = (200, 400)


def tour(home: Path, *flags: str, seed: int = 0) -> dict:
    """`preference-loop tour`, timed from outside; the document of the tour without its curves."""
    command = [sys.executable, "app.py", "tour", "--home", str(home), "--json", "--seed", str(seed), *flags]
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    document = json.loads(done.stdout)
    document["ppo"] = {name: value for name, value in document["ppo"].items() if not name.endswith("_per_step")}
    return {"seconds": round(time.monotonic() - began, 1), "cores": len(os.sched_getaffinity(0)), **document}


def tour_quick(home: Path) -> dict:
    """The same with --quick."""
    return tour(home, "--quick")


def few_labels(home: Path, *, seed: int = 0) -> dict:
    """Short tours with 200 and with 400 labels: what the reward model is, and how often the new policy wins."""
    found = {}
    for labels in FEW_LABELS:
        document = tour(home / str(labels), "--quick", "--labels", str(labels), seed=seed)
        found[f"labels_{labels}"] = {name: document[name] for name in ("seconds", "stages", "reward", "ppo")}
    return found


def labels_400(home: Path, *, seed: int = 0) -> dict:
    """A tour with 400 labels and as many updates as with 2,000."""
    document = tour(home, "--labels", "400", seed=seed)
    return {name: document[name] for name in ("seconds", "cores", "stages", "reward", "ppo")}


def first_pair_seconds(home: Path) -> dict:
    """From `preference-loop serve` in an empty home to the address, and to the first pair that a labeler is handed."""
    began = time.monotonic()
    with serving_app(home) as address:
        to_address = time.monotonic() - began
        session = Session(store := Store(home), store.accounts.add("bench", "labeler"))
        while session.next() is None:
            if time.monotonic() - began > PATIENCE:
                raise TimeoutError(f"no pair after {PATIENCE:.0f} s")
            time.sleep(0.1)
        return {
            "address": address.split("?")[0],
            "to_address": round(to_address, 1),
            "seconds": round(time.monotonic() - began, 1),
        }


def labels_per_second(home: Path) -> dict:
    """One labeler who answers as fast as the store acknowledges: every answer is on the disk before the next is handed out."""
    store = Store(home)
    prompts = [store.prompts.add(f"Name {number} things.", source="bench") for number in range(PAIRS)]
    for prompt in prompts:
        answers = [
            {"prompt_id": prompt.id, "model_name": "bench", "text": f"{side} {prompt.id}"} for side in ("one", "two")
        ]
        store.pairs.add(prompt.id, *store.completions.add_many(answers))
    session = Session(store, store.accounts.add("bench", "labeler"))
    began, seconds = time.monotonic(), []
    while item := session.next():
        sent = time.monotonic()
        session.submit(Answer(secrets.token_hex(16), item.assignment, "left"))
        seconds.append(time.monotonic() - sent)
    spent = time.monotonic() - began
    slow = sorted(seconds)[int(0.99 * len(seconds))]
    return {
        "labels": len(seconds),
        "per_second": round(len(seconds) / spent, 1),
        "submit_p99_ms": round(1000 * slow, 2),
    }


def ppo(folder: Path) -> dict:
    """See tests.bench.ppo.against_trl, which loads torch: only where it is asked for."""
    from tests.bench.ppo.against_trl import ppo_against_trl

    return ppo_against_trl(folder)


def ppo_curve(folder: Path) -> dict:
    """See tests.bench.ppo.curve, likewise."""
    from tests.bench.ppo.curve import curves

    return curves(folder)


def reward_speed(home: Path, *, seed: int = 0) -> dict:
    """See tests.bench.reward_speed, which loads torch: only where it is asked for. One seed; the study has five."""
    from tests.bench import reward_speed as figure

    return figure.reward_speed(home, seed=seed)


def training_peaks(folder: Path) -> dict:
    """See tests.bench.peaks, which loads torch: only where it is asked for."""
    from tests.bench import peaks as figure

    return figure.training_peaks(folder)


def label_page(home: Path) -> dict:
    """See tests.bench.serve.label_page, which needs a browser: only where it is asked for."""
    from tests.bench.serve import label_page as figure

    return figure.label_page(home)


def newcomer(home: Path) -> dict:
    """See tests.bench.serve.newcomer, likewise."""
    from tests.bench.serve import newcomer as figure

    return figure.newcomer(home)


def training(home: Path) -> dict:
    """See tests.bench.training, likewise."""
    from tests.bench import training as figure

    return figure.training(home)


def two_processes(home: Path) -> dict:
    """See tests.bench.two_processes, which needs both cores: only where it is asked for."""
    from tests.bench import two_processes as figure

    return figure.two_processes(home)


FIGURES: dict[str, Callable[[Path], dict]] = {
    "clinic_quality": clinic_quality,
    "near_duplicates": near_duplicates_speed,
    "k_centre": k_centre_speed,
    "first_pair_seconds": first_pair_seconds,
    "newcomer": newcomer,
    "labels_per_second": labels_per_second,
    "label_page": label_page,
    "serve_load": serve_load,
    "labelers_limit": labelers_limit,
    "kill9": kill9,
    "big_home": big_home,
    "ppo": ppo,
    "ppo_curve": ppo_curve,
    "tour_quick": tour_quick,
    "tour": tour,
    "reward_skill": reward_skill,
    "reward_speed": reward_speed,
    "sampling": sampling,
    "online_speed": online_speed,
    "memory_estimate": memory_estimate,
    "memory_estimate_large": memory_estimate_large,
    "training": training,
    "training_peaks": training_peaks,
    "two_processes": two_processes,
    "import_large": import_large,
    "export_large": export_large,
}

SMALLER: dict[str, Callable[[Path], dict]] = {
    "kill9": partial(kill9, kills=20),
    "big_home": partial(big_home, pairs=10_000, comparisons=50_000),
    "import_large": partial(import_large, rows=10_000),
    "export_large": partial(export_large, rows=50_000),
}
"""What `make bench` measures in their place, so that all of it ends within half an hour; ONLY=name has the full size."""
ALONE = frozenset(
    {"ppo", "ppo_curve", "reward_skill", "reward_speed", "memory_estimate_large", "training_peaks", "two_processes"}
)
"""Takes many minutes at any size that says something: measured by name only."""
