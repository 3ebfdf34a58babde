# SPDX-License-Identifier: Apache-2.0
"""The labels of an online run: what the store counts now. Late, corrected, withdrawn and excluded ones come out right.

A label is an answered question, so a ranking is one. Each fit reads all labels again, so a run learns the same from a
store, whatever the order in which they came.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from data.errors import BadInput
from data.run_context import Cancelled, RunContext
from data.views.preferences import PreferenceRow, change_mark, preference_rows
from rlhf.online.learner import Learner, count_labels
from rlhf.online.questions import More, QuestionQueue
from rlhf.online.settings import OnlineSettings

POLL_SECONDS = 0.5
REPORT_SECONDS = 30.0
"""Seconds between two reports of a run that waits."""


def pause() -> None:
    """Wait until the labels are worth another look."""
    time.sleep(POLL_SECONDS)


class LabelStream:
    """The labels that a run learns from. `rest` is called while they are too few for the next step.

    `training` are their comparisons, of train prompts. `count` labels are to learn from, of `total`.
    """

    def __init__(
        self,
        context: RunContext,
        settings: OnlineSettings,
        learner: Learner,
        queue: QuestionQueue,
        rest: Callable[[], None] = pause,
    ) -> None:
        self.context, self.settings, self.learner, self.queue, self.rest = context, settings, learner, queue, rest
        self.training: list[PreferenceRow] = []
        self.count = self.total = 0
        self.end_reason = ""
        self._read: tuple | None = None
        self._learned: tuple | None = None
        self._reported = (-1, 0.0)

    def learn(self) -> bool:
        """Fit the learner if labels changed and there are enough to begin with; return whether it was fitted."""
        self.read()
        if self._learned == self._read or self.count < self.settings.first_labels:
            return False
        self.learner.fit(self.training)
        self._learned = self._read
        return self.learner.is_fitted

    def wait(self, updates: int, more: More) -> bool:
        """Wait until there are labels enough for one step more than `updates` updates; False if the run should end.

        If all there was to ask about a rollout has been answered, the step begins with fewer. Raises Cancelled.
        """
        step = updates // self.settings.updates_per_step + 1
        needed = max(self.settings.first_labels, self.settings.labels_per_step * step)
        while True:
            self.stop_if_cancelled()
            self.read()
            self._report(needed)
            if self.count >= needed:
                return True
            most = self.settings.max_labels
            if most and self.total >= most:
                self.end_reason = f"{self.total:,} labels are there"
                return False
            if self.context.once(partial(self._ask, more)):
                return True
            self.rest()

    def _ask(self, more: More) -> bool:
        """Top up the questions; return whether nothing is left to ask."""
        self.queue.top_up(more)
        return self.queue.is_dry

    def stop_if_cancelled(self) -> None:
        """Raise Cancelled if somebody asked the run to stop."""
        if self.context.cancelled():
            raise Cancelled

    def read(self) -> None:
        """Read the store's labels if they may have changed; all processes of the run get the same ones."""
        if (changed := self.context.once(self._read_changed)) is not None:
            self._read, rows = changed
            self.training = [row for row in rows if row.split == "train"]
            self.count, self.total = count_labels(self.training), count_labels(rows)

    def _read_changed(self) -> tuple[tuple, list[PreferenceRow]] | None:
        """Return the mark of the store's labels and the labels, or None if they are those that were read last."""
        mark = change_mark(self.context.store)
        if mark == self._read:
            return None
        try:
            return mark, preference_rows(self.context.store, source=self.settings.labels)
        except BadInput:  # nobody has labelled yet: the run was started with checked settings
            return mark, []

    def _report(self, needed: int) -> None:
        """Report the labels that are there: towards those that were asked for, else towards the next step."""
        count, moment, settings = self.count, time.monotonic(), self.settings
        if count == self._reported[0] and moment - self._reported[1] <= REPORT_SECONDS:
            return
        self._reported = count, moment
        done, total = (self.total, settings.max_labels) if settings.max_labels else (count, needed)
        self.context.progress(min(done, total), total, progress_note(count, needed, settings))


def progress_note(labels: int, needed: int, settings: OnlineSettings) -> str:
    """Return what a run with so many labels waits for, or how many updates it is behind, if a step needs `needed`."""
    steps = max(0, labels - needed + settings.labels_per_step) // settings.labels_per_step
    note = f"{steps * settings.updates_per_step:,} updates behind" if steps else f"the next step begins at {needed:,}"
    return f"{labels:,} labels to learn from; {note}"
