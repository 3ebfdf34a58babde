# SPDX-License-Identifier: Apache-2.0
"""Recording of answers: the event with its sides, time and project, inside the session's transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from data.records import Account
from data.store import Store
from data.tables.assignments import Assignment
from data.tables.verdicts import WITHDRAWN
from labeling.queue.event_queries import Event
from labeling.queue.items import Answer, RankingAnswer, Receipt, shown_ids
from labeling.queue.leases import Queue
from labeling.queue.validation import edited_side
from labeling.texts.translate import Refusal


class Recorder:
    """Records one labeler's answers as events."""

    def __init__(self, store: Store, labeler: Account, queue: Queue, clock: Callable[[], str]) -> None:
        self.store, self.labeler, self.queue, self.clock = store, labeler, queue, clock

    def record(
        self, answer: Answer | RankingAnswer, assignment: Assignment, supersedes: str | None, latest: Event | None
    ) -> Event:
        """Record a validated answer and return its event. `latest` is the assignment's latest event before it."""
        corrects = latest is not None and latest.verdict != WITHDRAWN
        fields = self._fields(assignment, answer.id, answer.verdict, supersedes, corrects=corrects) | {
            "rationale": answer.rationale
        }
        if answer.active_seconds is not None:
            self.store.active_time.record(answer.id, answer.active_seconds)
        if isinstance(answer, RankingAnswer):
            places = {} if answer.all_bad else dict(zip(shown_ids(assignment), answer.places, strict=True))
            self.store.rankings.record(**fields, places=places)
            return self.store.rankings.get(answer.id)
        self.store.comparisons.record(**fields, aspects=answer.aspects or {}, edit=self._edit(answer, assignment))
        return self.store.comparisons.get(answer.id)

    def withdraw(self, id: str, assignment: Assignment, last: Event) -> None:
        """Withdraw the assignment's current answer `last`."""
        fields = self._fields(assignment, id, WITHDRAWN, last.id, corrects=True)
        (self.store.rankings if assignment.task_id else self.store.comparisons).record(**fields)

    def _fields(
        self, assignment: Assignment, id: str, verdict: str, supersedes: str | None, *, corrects: bool
    ) -> dict[str, Any]:
        """Return the fields of an event: those of its item, and those that comparisons and rankings share."""
        if assignment.task_id:
            item: dict[str, Any] = {"task_id": assignment.task_id, "positions": assignment.positions}
        else:
            item = {"pair_id": assignment.pair_id, "left_id": assignment.left_id, "right_id": assignment.right_id}
        return item | {
            "id": id,
            "assignment_id": assignment.id,
            "labeler_id": self.labeler.id,
            "verdict": verdict,
            "supersedes": supersedes,
            "late": not corrects and not self.queue.is_running(assignment),
            "source": "simulated" if self.labeler.simulated else "person",
            "project_id": assignment.project_id,
            "guideline_version": assignment.guideline_version,
            "seconds": None if corrects else self._seconds(assignment),
        }

    def _seconds(self, assignment: Assignment) -> float | None:
        """Return the time from showing to answer; None if the clock was set back in between."""
        if not assignment.shown_at:
            return None
        seconds = (datetime.fromisoformat(self.clock()) - datetime.fromisoformat(assignment.shown_at)).total_seconds()
        return seconds if seconds >= 0 else None

    def _edit(self, answer: Answer, assignment: Assignment) -> tuple[str, str] | None:
        """Return the edited completion's id and its new text. Raises `Refused` if the text equals a shown answer."""
        if answer.edit is None:
            return None
        left, right = shown_ids(assignment)
        if answer.edit in [self.store.completions.get(id).text for id in (left, right)]:
            raise Refusal("edit_same")
        return left if edited_side(answer) == "left" else right, answer.edit


def find_replaced_event(answer: Answer | RankingAnswer, latest: Event | None) -> str | None:
    """Return the id of the event that `answer` replaces, None for a first answer. Raises `Refused`.

    `latest` is the assignment's latest event. An answer replaces a withdrawal without naming it, and a current answer
    only by naming it. So the second of two clicks on an undone item is refused.
    """
    if latest is None and answer.supersedes is None:
        return None
    if latest and answer.supersedes in (latest.id, None if latest.verdict == WITHDRAWN else latest.id):
        return latest.id
    raise Refusal("not_current" if answer.supersedes else "already_answered")


def make_receipt(event: Event) -> Receipt:
    """Return the receipt of a recorded event."""
    return Receipt(event.id, event.assignment_id or "", event.verdict, event.late, event.created_at)
