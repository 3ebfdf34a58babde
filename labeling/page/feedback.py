# SPDX-License-Identifier: Apache-2.0
"""Results of the labels that a labeler may see: agreement and accuracy, never gold items, names or single verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from data.records import RewardModel, Run
from data.store import Store
from data.tables.projects import STANDARD, Project
from labeling.quality.agreement import RawAgreement
from labeling.quality.cached_figures import read_figures

FOREGROUND_LIMIT = 2_000
"""Events up to which agreement is computed while all labelers wait (10 ms); beyond, in another process.

Pages without an item ask every 20 seconds, inside the transaction of a group commit.
"""


@dataclass(frozen=True, slots=True)
class Effect:
    """Agreement between people (None: not computed yet), and the accuracy of the newest reward model of their labels.

    `accuracy` is None if there is no such model.
    """

    agreement: RawAgreement | None
    accuracy: float | None


class OnlineEffect(NamedTuple):
    """Labels that the policy of an online run has learned from, and the whole minutes since its last update."""

    labels: int
    minutes: int


def effect(store: Store) -> Effect:
    """Return agreement between people, and the accuracy on test prompts of the newest driver of their labels."""
    models = [
        model
        for model in store.reward_models.all()
        if model.role == "driver" and _from_people(model) and model.report.get("accuracy") is not None
    ]
    agreement = read_figures(store, "agreement", foreground_limit=FOREGROUND_LIMIT).figures
    return Effect(agreement, models[-1].report["accuracy"] if models else None)


def online_effect(store: Store, project: Project) -> OnlineEffect | None:
    """Return what the online run that works in this project has learned; None without one, and before its first update.

    Without such a run it costs one read of an index.
    """
    run = next((run for run in store.runs.all(state="running") if _asks_in(run, project)), None)
    labels = store.metrics.newest(run.id, "labels") if run else None
    if run is None or labels is None:
        return None
    asked = store.online_pairs.newest_asked(store.runs.lineage(run)[0].id)  # right after the last update
    seconds = (datetime.now(UTC) - datetime.fromisoformat(asked)).total_seconds() if asked else 0
    return OnlineEffect(int(labels), max(0, int(seconds // 60)))


def _asks_in(run: Run, project: Project) -> bool:
    name = run.settings.get("project")
    return run.kind == "online" and (name == project.name if name else project.id == STANDARD)


def _from_people(model: RewardModel) -> bool:
    labels = str(model.config.get("labels", "")).split("+")
    return "person" in labels or "all" in labels
