"""The whole ring, headless, in a fresh home: sample, simulated labels, reward model, PPO, comparison on test prompts.

Every stage that uses a model is a real run, worked by a process of its own, so that seconds and memory are those of the stage.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data import starter
from data.records import Completion, Policy, Prompt, Run
from data.settings import as_dict, parse_settings
from data.starter import corpus, rubric
from data.store import FILE, Store
from labeling.simulate import AGREEMENT, check_counts, simulate
from reward.base.machine import megabytes, peak_mb
from rlhf.common.locks import SUPERVISOR, acquire_lock
from rlhf.kinds import KINDS
from rlhf.runs.supervisor import Supervisor
from rlhf.runs.worker import SIZES
from rlhf.settings import SampleSettings

LABELERS = 5
OVERLAP = 1.1
"""Labelers for a pair: two for one pair in ten, so that their agreement is measured and not only assumed."""
SPARE = 1.03
"""Pairs beyond those that get labels: a few have equal texts and are not shown."""
METHODS = ("dpo", "rejection", "best-of-n", "sft")
"""The other ways to train, kinds of run, that `all_methods` adds; all but the last start where PPO starts."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a tour is: labels in all (a share of them on test prompts), and what differs from the defaults of its runs."""

    labels: int
    sample: dict[str, Any] = field(default_factory=dict)
    reward: dict[str, Any] = field(default_factory=dict)
    ppo: dict[str, Any] = field(default_factory=dict)
    compare: dict[str, Any] = field(default_factory=dict)
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)


FULL = Plan(labels=2000)
QUICK = Plan(labels=800, ppo={"max_steps": 8, "learning_rate": 2.5e-3}, compare={"best_of": 0})
"""Best-of-n takes most of a comparison's time; its figures stand in the full tour."""


TWO_CPUS = Path(__file__).resolve().parents[2] / "docs" / "accelerate" / "two-cpus.yaml"
"""What docs/scaling.md tells anybody to put into a home."""


class StageFailed(Exception):
    """A run of the tour did not end well; `run` says how."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.error or run.state)
        self.run = run


def score(prompt: Prompt, completion: Completion) -> float:
    """The rubric's gold, as the simulated labelers see it through their noise."""
    return starter.gold(prompt.facts, completion.text, completion.ended)


def prepare(store: Store) -> None:
    """The starter, and, where there is no GPU but a second core, PPO in two processes: two threads of one make less of small matrices."""
    starter.register(store)
    import torch  # heavy, and the rest of a tour is done by other processes

    if (os.cpu_count() or 1) > 1 and not torch.cuda.is_available():
        shutil.copy(TWO_CPUS, store.home / SIZES)


def in_process(store: Store, run: Run) -> float:
    """Work a queued run in a process of its own until it ends; the most memory it held, in MB."""
    supervisor = Supervisor(store.home)
    supervisor.start(store.runs.claim())
    child = supervisor.children[run.id]
    try:
        _, status, usage = os.wait4(child.pid, 0)
    except KeyboardInterrupt:
        supervisor.cancel(store.runs.get(run.id))
        raise
    child.returncode = os.waitstatus_to_exitcode(status)
    supervisor.look_after(store.runs.get(run.id))
    return megabytes(usage.ru_maxrss)


@dataclass(frozen=True, slots=True)
class World:
    """What a tour takes from outside: how a home gets prompts and its first policies, the rubric, and who works its runs."""

    register: Callable[[Store], None] = prepare
    score: Callable[[Prompt, Completion], float] = score
    work: Callable[[Store, Run], float] = in_process


@dataclass(slots=True)
class Tour:
    """One tour under way: its store and what its stages took."""

    store: Store
    plan: Plan
    seed: int
    world: World
    say: Callable[[str], None]
    stages: dict[str, dict[str, float]] = field(default_factory=dict)

    def run(self, name: str, kind: str, /, **settings: Any) -> Run:
        """One stage that is a run. Raises StageFailed where it does not end well."""
        parsed = parse_settings(KINDS[kind].settings_class(), {**settings, "seed": self.seed})
        queued = self.store.runs.enqueue(kind, as_dict(parsed), "tour")
        with self._timed(name) as spent:
            spent["peak_mb"] = self.world.work(self.store, queued)
        run = self.store.runs.get(queued.id)
        if run.state != "done":
            raise StageFailed(run)
        return run

    def label(self) -> int:
        """The stage of the simulated labelers; how many labels they gave."""
        with self._timed("label") as spent:
            given = simulate(
                self.store,
                labels=self.plan.labels,
                labelers=LABELERS,
                agreement=AGREEMENT,
                seed=self.seed,
                score=self.world.score,
                overlap=OVERLAP,
            )
            spent["peak_mb"] = peak_mb()
        return given

    def sample(self, start: Policy) -> Run:
        """As many pairs as will be labeled, on as many prompts as there are: more per prompt only where these run out."""
        pairs = math.ceil(self.plan.labels / OVERLAP * SPARE)
        share, prompts = SampleSettings().test_share, self.store.prompts
        each = math.ceil(max(pairs * (1 - share) / prompts.count("train"), pairs * share / prompts.count("test")))
        wanted = {"from": start.public, "prompts": math.ceil(pairs / each), "per_prompt": 2 * each}
        return self.run("sample", "sample", **wanted, **self.plan.sample)

    @contextmanager
    def _timed(self, name: str) -> Iterator[dict[str, float]]:
        """Measures a stage, and says when it begins and ends; what the block puts into the dictionary is kept beside it."""
        self.say(f"{name} ...")
        began, spent = time.monotonic(), {}
        yield spent
        self.stages[name] = {"seconds": round(time.monotonic() - began, 1), **spent}
        self.say(f"{name}: {self.stages[name]['seconds']:.0f} s, {spent['peak_mb']:.0f} MB")


@dataclass(frozen=True, slots=True)
class Findings:
    """What a tour found: the document of the contract, the reports it was drawn from, and the home it filled."""

    home: Path
    document: dict
    reward: dict
    ppo: dict
    comparison: dict


def run_tour(
    home: Path,
    *,
    quick: bool = False,
    seed: int = 0,
    labels: int | None = None,
    all_methods: bool = False,
    plan: Plan | None = None,
    world: World | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Findings:
    """Go round the ring once in `home`, or in a folder of its own below it where the home is in use.

    `labels` and `plan` take the place of the constants above. Raises StageFailed, and BadInput where the starter is missing
    or, before a folder is made, where there would be no label.
    """
    plan = plan or (QUICK if quick else FULL)
    if labels is not None:
        plan = replace(plan, labels=labels)
    check_counts(plan.labels, LABELERS)
    store = Store(fresh(home))
    with acquire_lock(store.home / SUPERVISOR):
        tour = Tour(store, plan, seed, world or World(), say)
        tour.world.register(store)
        return _round(tour, all_methods)


def fresh(home: Path) -> Path:
    """`home` itself while it holds no store, else the first free folder home/tours/1, 2, ..."""
    home = Path(home).expanduser()
    if not (home / FILE).exists():
        return home
    number = 1
    while (home / "tours" / str(number)).exists():
        number += 1
    return home / "tours" / str(number)


def _round(tour: Tour, all_methods: bool) -> Findings:
    """1 sample  2 label  3 reward model  4 PPO  5 the other methods  6 compare them all with the start."""
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
    return Findings(
        tour.store.home,
        document(tour, given, reward.report, ppo.report, found),
        reward.report,
        ppo.report,
        found["ppo"],
    )


def _others(tour: Tour, start: Policy, judge: str) -> dict[str, str]:
    """The policy that each other way to train makes of the same labels; SFT starts at the base, on the instruction rows."""
    given = {
        "dpo": {"from": start.public, "labels": "simulated"},
        "rejection": {"from": start.public, "reward": judge},
        "best-of-n": {"from": start.public, "reward": judge},
    }
    return {
        kind: tour.run(kind, kind, **given.get(kind, {}), **tour.plan.methods.get(kind, {})).produced[0]
        for kind in METHODS
    }


def document(tour: Tour, labels: int, reward: dict, ppo: dict, found: dict[str, dict]) -> dict:
    """The document of the contract; `found` holds the comparison report of each method.

    A tour that draws no best of n has a `best_of_8` whose `win_rate` is None.
    """
    mine = found["ppo"]
    figures = (
        "win_rate",
        "win_rate_ci",
        "win_rate_noisy",
        "kl",
        "gold_start",
        "gold_end",
        "gold_gain_std",
        "fit_start",
        "fit_end",
    )
    best = next((key for key in mine if key.startswith("best_of_") and not key.endswith("_gold")), None)
    baselines = {"by_gold": mine.get(f"{best}_gold"), "constant_answer": mine["constant_answer"]}
    shown = {
        "seed": tour.seed,
        "starter": {"corpus": corpus.VERSION, "rubric": rubric.VERSION, "hash": starter.source_hash()},
        "labels": labels,
        "stages": tour.stages,
        "reward": {
            name: reward.get(name)
            for name in ("accuracy", "ci", "ceiling", "agreement", "length_baseline", "fit_accuracy", "skill")
        },
        "ppo": {
            **{name: mine[name] for name in figures},
            **{name: ppo.get(name) for name in ("kl_per_step", "reward_per_step", "gold_per_look", "checkpoint")},
            "collapsed": mine["collapsed"],
        },
        "best_of_8": mine.get(best, {"win_rate": None}) | baselines,
    }
    if len(found) == 1:
        return shown
    beside = (
        *figures,
        "kl_bound",
        "reward_start",
        "reward_end",
        "length_start",
        "length_end",
        "distinct_2_start",
        "distinct_2_end",
        "collapsed",
    )
    return shown | {
        "methods": {name: {key: report[key] for key in beside} | tour.stages[name] for name, report in found.items()}
    }
