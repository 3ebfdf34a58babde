# SPDX-License-Identifier: Apache-2.0
"""The run kind `simulate`: simulated labelers answer waiting pairs and rankings of the starter's prompts.

Every answer is permanently marked as simulated. Answers to other prompts have no rubric, so they are for people.
While a run brings items, sampling or online, the labelers wait for its next ones. Imports no torch.
"""

from __future__ import annotations

import time

from data.run_context import Cancelled, RunContext, RunResult
from data.settings import Seed, Settings, option
from data.store import Store
from labeling.quality.agreement import measure_agreement
from labeling.simulate import AGREEMENT, OVERLAP, Watcher, count_waiting, rubric_score, simulate
from labeling.texts.pages import bad_input

LABELS, LABELERS = 200, 4
PAUSE = 0.3
"""Seconds between two looks for new pairs."""
BRING_PAIRS = ("online", "sample")


class SimulateSettings(Settings):
    """Let simulated labelers answer waiting pairs and rankings by the starter's rubric, with noise."""

    labels: int = option(LABELS, main=True, min=1)
    labelers: int = option(LABELERS, main=True, min=1, max=1000)
    agreement: float = option(AGREEMENT, main=True, min=0.5, max=1.0)
    overlap: float = option(OVERLAP, min=1.0, max=50.0)
    seed: Seed = 0


def check_waiting(store: Store, settings: SimulateSettings) -> None:
    """Check that pairs or rankings wait for simulated labelers, and that the rubric covers all of them."""
    waiting = count_waiting(store, settings.labels)
    if not waiting.items:
        raise bad_input("need.waiting_pairs")
    if not waiting.covered:
        raise bad_input("need.covered_pairs")


def run(context: RunContext, settings: SimulateSettings) -> RunResult:
    """Record the answers. A cancelled run keeps those that are recorded."""
    watcher = RunWatcher(context, settings.labels)
    watcher.report(0)
    labels = simulate(
        context.store,
        labels=settings.labels,
        labelers=settings.labelers,
        agreement=settings.agreement,
        seed=settings.seed,
        score=rubric_score,
        overlap=settings.overlap,
        watcher=watcher,
    )
    rate = measure_agreement(context.store, "simulated").rate
    return RunResult(report={"labels": labels} | ({} if rate is None else {"agreement": rate}))


class RunWatcher(Watcher):
    """Reports the answers to a run, and waits for the next pairs while another run brings them."""

    def __init__(self, context: RunContext, labels: int) -> None:
        self.context = context
        self.more_to_come = self._pairs_come()
        self.goal = labels if self.more_to_come else count_waiting(context.store, labels).items

    def report(self, answers: int) -> None:
        """Report the answers. Raises Cancelled."""
        self.context.progress(answers, max(answers, self.goal), "answers")
        if self.context.cancelled():
            raise Cancelled

    def wait(self) -> bool:
        """Wait a moment while a run brings pairs, and look once more after its end. Raises Cancelled."""
        if self.context.cancelled():
            raise Cancelled
        before, self.more_to_come = self.more_to_come, self._pairs_come()
        if self.more_to_come:
            time.sleep(PAUSE)
        return before or self.more_to_come

    def _pairs_come(self) -> bool:
        return any(run.kind in BRING_PAIRS for run in self.context.store.runs.all(state="running"))
