# SPDX-License-Identifier: Apache-2.0
"""The stages of a tour. Each stage with a model is a run in its own process, timed and measured."""

from __future__ import annotations

import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data import starter
from data.records import Completion, Policy, Prompt, Run
from data.settings import as_dict, parse_settings
from data.store import Store
from labeling.simulate import AGREEMENT, rubric_score, simulate
from reward.base.machine import megabytes, peak_mb
from reward.placement_settings import DeviceSettings
from rlhf.kinds import KINDS
from rlhf.runs.processes.plan import ACCELERATE_CONFIG
from rlhf.runs.supervisor import Supervisor
from rlhf.settings import JudgedSettings, SampleSettings
from rlhf.tour.narrator import Narrator

LABELERS = 5
OVERLAP = 1.1
"""Labelers per pair: two for one pair in ten, so that agreement is measured."""
POLL_SECONDS = 0.3
"""Seconds between two looks at a run's progress."""
SPARE = 1.03
"""Sampled pairs per pair to label: a few have equal texts and are never shown."""


@dataclass(frozen=True, slots=True)
class TourPlan:
    """The size of a tour: the number of labels (a share on test prompts), and settings of its runs.

    `minutes`: the measured time on two CPU cores; 0 if it was not measured.
    """

    labels: int
    minutes: int = 0
    sample: dict[str, Any] = field(default_factory=dict)
    reward: dict[str, Any] = field(default_factory=dict)
    ppo: dict[str, Any] = field(default_factory=dict)
    compare: dict[str, Any] = field(default_factory=dict)
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)


FULL = TourPlan(labels=2000, minutes=8)
QUICK = TourPlan(labels=400, minutes=3, ppo={"max_steps": 17}, compare={"best_of": 0})
"""A short tour without best-of-n, which takes most of a comparison's time."""
TWO_CPUS = Path(__file__).resolve().parents[2] / "docs" / "accelerate" / "two-cpus.yaml"
"""The accelerate file that docs/how-to/several-gpus.md recommends for a machine without a GPU."""


class StageFailed(Exception):
    """A run of the tour ended without success; `run` holds its row."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.error or run.state)
        self.run = run


def prepare_home(store: Store) -> None:
    """Register the starter; without a GPU, share PPO between two processes if there is a second core.

    Two processes compute small matrices faster than two threads of one.
    """
    starter.register(store)
    import torch  # heavy, and the rest of a tour is done by other processes

    if (os.cpu_count() or 1) > 1 and not torch.cuda.is_available():
        shutil.copy(TWO_CPUS, store.home / ACCELERATE_CONFIG)


Watch = Callable[[Run], None]
"""Gets the row of a run while it works."""


def work_in_process(store: Store, run: Run, watch: Watch) -> float:
    """Execute a queued run in its own process until it ends; return its peak memory in MB.

    An interrupt kills the process, since nobody resumes a tour.
    """
    queue = Supervisor(store.home).queue
    claimed = store.runs.claim()
    if claimed is None:
        raise RuntimeError(f"{run.public} cannot start: another run of this home is running")
    queue.local.submit(claimed)
    child = queue.local.children[run.id]
    try:
        while not (ended := os.wait4(child.pid, os.WNOHANG))[0]:
            watch(store.runs.get(run.id))
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        store.runs.request_cancel(run.id)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        queue.check_run(store.runs.get(run.id))
        raise
    _, status, usage = ended
    child.returncode = os.waitstatus_to_exitcode(status)
    queue.check_run(store.runs.get(run.id))
    return megabytes(usage.ru_maxrss)


@dataclass(frozen=True, slots=True)
class TourEnvironment:
    """A tour's replaceable parts: what fills a new home, what scores answers, and what executes runs."""

    register: Callable[[Store], None] = prepare_home
    score: Callable[[Prompt, Completion], float] = rubric_score
    work: Callable[[Store, Run, Watch], float] = work_in_process


@dataclass(slots=True)
class Tour:
    """One tour in progress: its store, and the time and memory of its stages."""

    store: Store
    plan: TourPlan
    seed: int
    environment: TourEnvironment
    narrator: Narrator
    stages: dict[str, dict[str, float]] = field(default_factory=dict)

    def run(self, name: str, kind: str, /, **settings: object) -> Run:
        """Execute one stage that is a run. Raises StageFailed if it does not end with success.

        No pairs are queued for people after a training: nobody labels in a tour.
        """
        definition = KINDS[kind].settings_class()
        unjudged = {"judge_pairs": 0} if issubclass(definition, JudgedSettings) else {}
        shared = kind != "ppo" and issubclass(definition, DeviceSettings)
        alone = {"processes": "1"} if shared else {}  # in a short run a second process does not repay its start
        parsed = parse_settings(definition, {**unjudged, **settings, **alone, "seed": self.seed})
        queued = self.store.runs.enqueue(kind, as_dict(parsed), "tour")
        with self._timed(name) as spent:
            spent["peak_mb"] = self.environment.work(self.store, queued, self.narrator.progress)
        run = self.store.runs.get(queued.id)
        if run.state != "done":
            raise StageFailed(run)
        return run

    def label(self) -> int:
        """Let simulated labelers answer; return the number of labels."""
        with self._timed("label") as spent:
            label_count = simulate(
                self.store,
                labels=self.plan.labels,
                labelers=LABELERS,
                agreement=AGREEMENT,
                seed=self.seed,
                score=self.environment.score,
                overlap=OVERLAP,
            )
            spent["peak_mb"] = peak_mb()
        return label_count

    def sample(self, start: Policy) -> Run:
        """Sample as many pairs as the tour labels: one per prompt, or more if there are too few prompts."""
        pairs = math.ceil(self.plan.labels / OVERLAP * SPARE)
        share, prompts = SampleSettings().test_share, self.store.prompts
        per_prompt = math.ceil(max(pairs * (1 - share) / prompts.count("train"), pairs * share / prompts.count("test")))
        settings = {"from": start.public, "prompts": math.ceil(pairs / per_prompt), "per_prompt": 2 * per_prompt}
        return self.run("sample", "sample", **settings, **self.plan.sample)

    @contextmanager
    def _timed(self, name: str) -> Iterator[dict[str, float]]:
        """Time a stage, report its start and end, and store the figures that the block adds to the dictionary."""
        self.narrator.begin(name)
        began = time.monotonic()
        spent: dict[str, float] = {}
        yield spent
        self.stages[name] = {"seconds": round(time.monotonic() - began, 1), **spent}
        self.narrator.end(self.stages[name]["seconds"], spent["peak_mb"])
