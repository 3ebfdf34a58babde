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
        self._step_began: float | None = None
        self._step_seconds: float | None = None

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
        self._step_seconds = None if self._step_began is None else time.monotonic() - self._step_began
        goes_on = self._wait(updates // self.settings.updates_per_step + 1, more)
        self._step_began = time.monotonic()
        return goes_on

    def _wait(self, step: int, more: More) -> bool:
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
        self.context.progress(min(done, total), total, progress_note(count, needed, settings, self._step_seconds))


def progress_note(labels: int, needed: int, settings: OnlineSettings, step_seconds: float | None = None) -> str:
    """Return what a run with so many labels waits for, or by how much it lags, if the next step needs `needed`.

    Labels are behind if the policy has made no update for them. `step_seconds` is the time of the last step.
    """
    behind = labels - needed
    if behind < 0:
        note = f"the next step begins at {needed:,}"
    elif behind < settings.labels_per_step:
        note = "the next step begins now"
    else:
        note = f"{behind:,} labels behind"
        note += "" if step_seconds is None else f", about {step_seconds * behind / settings.labels_per_step:,.0f} s"
    return f"{labels:,} labels to learn from; {note}"
