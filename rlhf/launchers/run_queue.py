# SPDX-License-Identifier: Apache-2.0
"""The runs of one home: start those that may start, pass on cancellations, and mark those that are lost.

A run writes its own end (done, failed, cancelled); the queue only decides `lost`. Whether a run lives is asked of its
launcher. One run that needs the machine works here at a time; other launchers have their own slots.
"""

from __future__ import annotations

from collections.abc import Mapping

from data.logs import bound_log_file
from data.records import Run
from data.store import Store
from data.tables.runs import LOCAL
from rlhf.kinds import PARALLEL_KINDS
from rlhf.launchers.local import LocalLauncher
from rlhf.launchers.protocol import Launcher


class RunQueue:
    """The queue of one home, without memory of its own: every step reads the rows."""

    def __init__(self, store: Store, local: LocalLauncher, elsewhere: Mapping[str, Launcher] | None = None) -> None:
        self.store, self.local = store, local
        self.launchers: dict[str, Launcher] = {LOCAL: local, **(elsewhere or {})}

    def step(self) -> list[Run]:
        """Check the running runs, start what may start, and return the runs at work, here and elsewhere."""
        running = self.store.runs.all(state="running")
        for run in running:
            self.check_run(run)
        self.local.collect({run.id for run in running})
        claimed = self.store.runs.claim(beside=PARALLEL_KINDS)
        if claimed is not None:
            self.local.submit(claimed)
        waiting = [run for run in self.store.runs.all(state="queued") if run.launcher != LOCAL]
        for run in waiting:
            self.launchers[run.launcher].submit(run)
        for launcher in self.launchers.values():
            launcher.sweep({run.id for run in waiting})
        return [*running, *waiting, *([claimed] if claimed else [])]

    def check_run(self, run: Run) -> None:
        """Cancel the run if somebody asked for it; mark it ended if its launcher says that it is gone."""
        launcher = self.launchers[run.launcher]
        bound_log_file(self.store.home / "runs" / str(run.id) / "log.txt")
        if not launcher.is_alive(run):
            self._mark_ended(run, launcher)
        elif run.cancel_requested:
            launcher.cancel(run)

    def _mark_ended(self, run: Run, launcher: Launcher) -> None:
        """Write the end of a run that is gone, unless it wrote its own; then forget it."""
        if self.store.runs.get(run.id).state == "running":
            if run.cancel_requested:
                self.store.runs.finish(run.id, "cancelled", error="ended before it could save")
            else:
                self.store.runs.finish(run.id, "lost", error=launcher.explain_end(run))
        launcher.forget(run)
