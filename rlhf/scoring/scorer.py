# SPDX-License-Identifier: Apache-2.0
"""The supervisor's side of live accuracy: start the process that scores new test comparisons when some wait.

It starts only while no run is queued or running. A process that fails is tried again after some minutes.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from data.logs import bound_log_file
from data.store import Store
from data.tables.runs import LOCAL
from data.views.live_comparisons import score_mark as read_mark
from data.views.live_comparisons import scoring_models, unscored_comparisons
from rlhf.kinds import PARALLEL_KINDS

ROOT = Path(__file__).resolve().parents[2]
LOOK_SECONDS, RETRY_SECONDS = 5.0, 600.0
"""The time between two looks for new comparisons, and after a failure."""
LOG = "scoring.log"


def scoring_command(home: Path) -> list[str]:
    """Return the argument list that starts the process."""
    return [sys.executable, "-m", "rlhf.scoring.worker", str(home)]


def is_busy(store: Store) -> bool:
    """Return whether a run that needs this machine is queued or running."""
    active = store.runs.all(state="queued") + store.runs.all(state="running")
    return any(run.launcher == LOCAL and run.kind not in PARALLEL_KINDS for run in active)


class LiveScorer:
    """Watch one home: `step` looks once and returns whether the process works."""

    def __init__(self, store: Store, environment: dict[str, str]) -> None:
        self.store, self.environment = store, environment
        self.command = scoring_command
        self.child: subprocess.Popen | None = None
        self._due = 0.0
        self._seen: tuple[int | None, ...] = ()

    def step(self, busy: bool) -> bool:
        """Start the process if comparisons wait and no run is `busy`."""
        if self.child is not None:
            code = self.child.poll()
            if code is None:
                return True
            self.child, self._seen = None, ()
            self._due = time.monotonic() + (RETRY_SECONDS if code else LOOK_SECONDS)
        if busy or time.monotonic() < self._due or not self._is_needed():
            return False
        bound_log_file(self.store.home / LOG)
        with (self.store.home / LOG).open("ab") as log:
            self.child = subprocess.Popen(
                self.command(self.store.home),
                cwd=ROOT,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
            )
        return True

    def _is_needed(self) -> bool:
        """Return whether comparisons wait; look again only after a change."""
        self._due = time.monotonic() + LOOK_SECONDS
        models = scoring_models(self.store)
        mark = (*read_mark(self.store), *(model.id for model in models))
        if mark == self._seen:
            return False
        self._seen = mark
        return any(unscored_comparisons(self.store, model, 1) for model in models)
