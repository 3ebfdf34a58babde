# SPDX-License-Identifier: Apache-2.0
"""Trials of instruction rows: policies that differ only in their rows, judged on the same test prompts.

`quantity` trains on nested subsets and judges each against the start; `ab` trains on two snapshots and judges one
against the other. Every policy is published with its snapshot, so a win rate leads back to the rows. A resumed run
keeps its policies. A policy that an earlier run trained with the same rows, start and settings is reused: the seed is
one of them, so training again would give the same policy.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.records import Policy, Snapshot
from data.run_context import Result, RunContext, RunResult
from data.settings import as_dict
from data.starter import rubric
from data.store import Store
from data.views.frozen_rows import InstructionRow, TrainingRows, current_instructions, load_instructions
from reward.placement_settings import PROCESS_KEYS, placement_of
from rlhf.clinic.plateau import plateau_start
from rlhf.clinic.settings import ABSettings, QuantitySettings, TrialSettings
from rlhf.common.metrics import win_outcomes
from rlhf.evaluation.tournament import Tournament
from rlhf.methods.sft import train
from rlhf.methods.sft_rows import tokenize_rows
from rlhf.models.finetuning import load_trained_base, publish_trained
from rlhf.models.policy_loading import adapter_folder
from rlhf.models.start_policy import choose_first_policy
from rlhf.settings import CompareSettings, SFTSettings

BEFORE_FULL = {"finetuning": "lora"}
"""The setting that policies of earlier versions do not record; nor do they record `PROCESS_KEYS`."""


class Stage(RunContext):
    """The context of one of several trainings in a run, with a folder, checkpoints and a share of the progress."""

    def __init__(self, whole: RunContext, number: int, count: int, note: str) -> None:
        self.whole, self.number, self.count, self.note = whole, number, count, note
        self.store, self.run = whole.store, whole.run
        self.folder = whole.folder / f"stage-{number}"
        self.folder.mkdir(exist_ok=True)

    def checkpoints(self) -> Path:
        """Return a folder below the whole run's checkpoints, so a resumed run finds it."""
        folder = self.whole.checkpoints() / f"stage-{self.number}"
        folder.mkdir(exist_ok=True)
        return folder

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Report steps of all trainings as one sequence."""
        self.whole.progress(
            self.number * total + done, self.count * total + 1, self.note
        )  # one step more: the judging follows

    def metric(self, step: int, **values: float) -> None:
        """Add the loss to the run's curves under this training's name."""
        self.whole.metric(step, **{f"{name} ({self.note})": value for name, value in values.items() if name == "loss"})

    def once(self, work: Callable[[], Result]) -> Result:
        """Return the result of `work`, which one process of the whole run does."""
        return self.whole.once(work)

    def cancelled(self) -> bool:
        """Return whether the whole run was asked to stop."""
        return self.whole.cancelled()


def run_quantity(context: RunContext, settings: QuantitySettings) -> RunResult:
    """Measure the win rate against the start by number of rows, and find the plateau."""
    store = context.store
    rows = list(_instruction_rows(store, settings.snapshot))
    random.Random(settings.seed).shuffle(rows)
    counts = [*sorted({count for count in settings.counts if count < len(rows)}), len(rows)]
    origin = {
        "of": settings.snapshot or "all rows of the train split",
        "seed": settings.seed,
        "run": context.run.public,
    }
    sets = context.once(
        lambda: {f"{count:,} rows": _frozen(store, rows[:count], {"nested": count, **origin}) for count in counts}
    )
    start = choose_first_policy(store, settings.from_)
    policies = _train_all(context, settings, start, sets)
    reports = _judge(context, settings, [(policy, start) for policy in policies])
    context.once(lambda: shutil.rmtree(context.checkpoints()))
    outcomes = {count: _outcomes(report) for count, report in zip(counts, reports, strict=True)}
    curve = [
        {
            "rows": count,
            "policy": policy.public,
            **{key: report[key] for key in ("win_rate", "win_rate_ci", "prompts", "kl", "gold_end", "fit_end")},
        }
        for count, policy, report in zip(counts, policies, reports, strict=True)
    ]
    report = {
        "against": start.public,
        "steps": settings.steps,
        "curve": curve,
        "flat_from": plateau_start(outcomes),
    }
    return RunResult(_trained_here(context, policies), report)


def run_ab(context: RunContext, settings: ABSettings) -> RunResult:
    """Measure the win rate of the policy trained on `a` against the one trained on `b`."""
    store = context.store
    named = {"A": settings.a, "B": settings.b}
    sets = context.once(
        lambda: {
            name: store.snapshots.get(id)
            if id
            else _frozen(store, list(_instruction_rows(store, "")), {"split": "train"})
            for name, id in named.items()
        }
    )
    first, second = _train_all(context, settings, choose_first_policy(store, settings.from_), sets)
    (report,) = _judge(context, settings, [(first, second)])
    context.once(lambda: shutil.rmtree(context.checkpoints()))
    sides = {
        name.lower(): {
            "snapshot": frozen.public,
            "name": frozen.name,
            "rows": frozen.row_count,
            "policy": policy.public,
        }
        for (name, frozen), policy in zip(sets.items(), (first, second), strict=True)
    }
    copied = (
        "win_rate",
        "win_rate_ci",
        "prompts",
        "win_rate_noisy",
        "kl",
        "gold_start",
        "gold_end",
        "fit_start",
        "fit_end",
        "examples",
    )
    return RunResult(
        _trained_here(context, [first, second]),
        {"steps": settings.steps, **sides, **{key: report[key] for key in copied if key in report}},
    )


def _instruction_rows(store: Store, snapshot: str) -> TrainingRows[InstructionRow]:
    return load_instructions(store, snapshot) if snapshot else TrainingRows(current_instructions(store), "this home")


def _frozen(store: Store, rows: Sequence[Mapping[str, Any]], filters: Mapping[str, Any]) -> Snapshot:
    name = f"{len(rows):,} nested rows" if "nested" in filters else "all rows of the train split"
    return store.snapshots.freeze("instructions", rows, filters, name)


def _trained_here(context: RunContext, policies: Sequence[Policy]) -> list[str]:
    """Return the policies that this run trained."""
    return [policy.public for policy in policies if policy.run_id == context.run.id]


def _train_all(
    context: RunContext, settings: TrialSettings, start: Policy, sets: Mapping[str, Snapshot]
) -> list[Policy]:
    """Return a policy for each set of rows, in order; reuse policies that exist."""
    trained = []
    for number, (name, snapshot) in enumerate(sets.items()):
        sft = _sft_settings(settings, start, snapshot)
        earlier = _find_trained(context.store, sft, start, snapshot)
        trained.append(earlier or _train(Stage(context, number, len(sets), name), sft, start, snapshot))
    return trained


def _sft_settings(settings: TrialSettings, start: Policy, snapshot: Snapshot) -> SFTSettings:
    return SFTSettings(
        from_=start.public,
        snapshot=snapshot.public,
        max_steps=settings.steps,
        learning_rate=settings.learning_rate,
        rank=settings.rank,
        batch_size=settings.batch_size,
        seed=settings.seed,
        **placement_of(settings),
    )


def _find_trained(store: Store, settings: SFTSettings, start: Policy, snapshot: Snapshot) -> Policy | None:
    """Return the policy that was trained on these rows with these settings before, or None."""
    same_rows = [
        policy
        for policy in store.policies.children(start.id)
        if policy.kind == "sft" and policy.snapshot_id == snapshot.id
    ]
    wanted = {key: value for key, value in as_dict(settings).items() if key not in PROCESS_KEYS}.items()
    return next((policy for policy in same_rows if wanted <= (BEFORE_FULL | policy.config).items()), None)


def _train(stage: Stage, settings: SFTSettings, start: Policy, snapshot: Snapshot) -> Policy:
    """Train one policy on a freshly loaded base, since training merges the start into it."""
    store = stage.store
    rows = load_instructions(store, snapshot.id)
    base = load_trained_base(settings, start)
    skipped: Counter[str] = Counter()
    data, _ = tokenize_rows(store, base, rows, skipped)
    adapter = adapter_folder(store, start) if start.adapter else None
    model = train(stage, settings, base, data, adapter)
    config = as_dict(settings) | {"rows": len(data), "trial": stage.note} | ({"skipped": skipped} if skipped else {})
    return publish_trained(
        stage, model, "sft", start, base, adapter, snapshot_id=snapshot.id, seed=settings.seed, config=config
    )


def _judge(
    context: RunContext, settings: TrialSettings, contests: Sequence[tuple[Policy, Policy]]
) -> list[dict[str, Any]]:
    """Judge each contest and store its report as an evaluation."""
    compare = CompareSettings(
        judge=settings.judge,
        reward=settings.reward,
        prompts=settings.prompts,
        last_prompt=settings.last_prompt,
        draws=settings.draws,
        best_of=0,
        max_new_tokens=settings.max_new_tokens,
        seed=settings.seed,
        **placement_of(settings),
    )
    policies = [policy for contest in contests for policy in contest]
    return Tournament.load(context, compare, rubric.gold_parts, policies).judge_contests(contests)


def _outcomes(report: Mapping[str, Any]) -> np.ndarray:
    """Return what the policy won on each prompt, (P,)."""
    draws = report["gold_draws"]
    return win_outcomes(np.array(draws["end"]), np.array(draws["start"])).mean(axis=0)
