# SPDX-License-Identifier: Apache-2.0
"""The state of the newest online run, read from the store. Without gradio and torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from zlib import crc32

from data.records import Run
from data.store import Store
from data.tables.online_pairs import OnlineAnswer
from data.views.preferences import change_mark
from rlhf.online.figures import LiveFigures, Wins, measure, read_answers, wins_between
from rlhf.online.outlook import Forecast, Verdict, forecast, judge
from rlhf.pages.charts.curves import Point, join_series
from rlhf.runs.launch import has_checkpoint

KIND = "online"
RECENT = 20
"""Labels whose effect the page shows."""
SHOWN_POLICIES = 5
"""Published policies whose win rates the page shows."""


class Change(NamedTuple):
    """Effect of the last labels, at least RECENT: updates since then, and values (from, to) of two curves."""

    labels: int
    updates: int
    kl: tuple[float, float]
    held_out_loss: tuple[float, float]


class PublishedWins(NamedTuple):
    """A published policy, and the win rate of the versions since the one before it."""

    policy: str
    wins: Wins


@dataclass(frozen=True, slots=True)
class LiveState:
    """A run as the page shows it. `learned_from`, `updates` and `kl` are those of its newest update.

    `published` has its newest published policies, the newest first. `kl` is None before the first update. `can_resume`:
    it ended before its time and left a checkpoint.
    """

    run: Run
    figures: LiveFigures
    learned_from: int
    updates: int
    kl: float | None
    published: list[PublishedWins]
    at_work: int
    waiting: int
    verdict: Verdict
    forecast: Forecast | None
    change: Change | None
    can_resume: bool


def find_run(store: Store) -> Run | None:
    """Return the newest online run: one that is running, else one that is queued, else the last one."""
    runs = [run for run in store.runs.all() if run.kind == KIND]
    for state in ("running", "queued"):
        for run in runs:
            if run.state == state:
                return run
    return runs[0] if runs else None


def find_mark(store: Store, run: Run | None) -> str:
    """Return a mark that changes with everything the page shows. It costs no more in a large store."""
    if run is None:
        return "none"
    pairs, lineage = store.online_pairs, store.runs.lineage(run)
    values = [store.metrics.count(part.id) for part in lineage]
    counts = [pairs.labelers_at_work(), pairs.waiting(lineage[0].id, 0), store.prompts.count("test")]
    about = [run.id, run.state, run.note, run.cancel_requested, can_resume(store, run)]
    return f"{crc32(repr((about, values, counts, change_mark(store))).encode())}"


def read_state(store: Store, run: Run) -> LiveState:
    """Return the state of an online run."""
    lineage = store.runs.lineage(run)
    first = lineage[0].id
    answers = read_answers(store, first, run.settings["labels"])
    figures, curves = measure(answers), join_series(store, lineage)
    labels, kl = curves.get("labels", []), curves.get("kl", [])
    test_prompts = store.prompts.count("test")
    return LiveState(
        run=run,
        figures=figures,
        learned_from=int(labels[-1][1]) if labels else 0,
        updates=labels[-1][0] if labels else 0,
        kl=kl[-1][1] if kl else None,
        published=find_published(store, lineage, answers),
        at_work=store.online_pairs.labelers_at_work(),
        waiting=store.online_pairs.waiting(first, 0),
        verdict=judge(answers, figures.accuracy, figures.win_rate, test_prompts),
        forecast=None if run.over else forecast(answers, figures.win_rate, datetime.now(UTC)),
        change=find_change(curves),
        can_resume=can_resume(store, run),
    )


def find_published(store: Store, lineage: Sequence[Run], answers: Sequence[OnlineAnswer]) -> list[PublishedWins]:
    """Return the newest policies that these runs published, the newest first."""
    runs = {run.id for run in lineage}
    policies = [policy for policy in store.policies.all() if policy.run_id in runs and "updates" in policy.config]
    wins = wins_between(answers, [policy.config["updates"] for policy in policies])
    return [PublishedWins(policy.public, of) for policy, of in zip(policies, wins, strict=True)][
        : -SHOWN_POLICIES - 1 : -1
    ]


def can_resume(store: Store, run: Run) -> bool:
    """Return whether the run ended before its time and left a checkpoint."""
    return run.state in ("cancelled", "failed", "lost") and has_checkpoint(store, run)


def find_change(curves: Mapping[str, Sequence[Point]]) -> Change | None:
    """Return what the last labels changed; None if no update lies RECENT labels before the newest one."""
    labels = curves.get("labels", [])
    before = [point for point in labels if point[1] <= labels[-1][1] - RECENT]
    if not before:
        return None
    (then, few), (newest, many) = before[-1], labels[-1]

    def values(key: str) -> tuple[float, float]:
        points = dict(curves.get(key, ()))
        return points.get(then, float("nan")), points.get(newest, float("nan"))

    return Change(int(many - few), newest - then, values("kl"), values("held_out_loss"))
