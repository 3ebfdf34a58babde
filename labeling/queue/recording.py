"""Writing an answer down: the event with its sides, its time and its project, inside the session's transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from data.records import Account
from data.store import Store
from data.tables.assignments import Assignment
from data.tables.verdicts import WITHDRAWN
from labeling.queue.event_queries import Event
from labeling.queue.items import Answer, RankingAnswer
from labeling.queue.leases import Queue
from labeling.queue.validation import edited_side
from labeling.texts.translate import Refusal


class Recorder:
    """Makes events of one labeler's answers."""

    def __init__(self, store: Store, labeler: Account, queue: Queue, clock: Callable[[], str]) -> None:
        self.store, self.labeler, self.queue, self.clock = store, labeler, queue, clock

    def record(
        self, answer: Answer | RankingAnswer, assignment: Assignment, supersedes: str | None, latest: Event | None
    ) -> Event:
        """Write an answer that was found good; the event. `latest` is the assignment's last one before."""
        corrects = latest is not None and latest.verdict != WITHDRAWN
        about = self._about(assignment, answer.id, answer.verdict, supersedes, corrects=corrects) | {
            "rationale": answer.rationale
        }
        if answer.active_seconds is not None:
            self.store.active_time.record(answer.id, answer.active_seconds)
        if isinstance(answer, RankingAnswer):
            places = {} if answer.all_bad else dict(zip(assignment.positions, answer.places, strict=True))
            self.store.rankings.record(**about, places=places)
            return self.store.rankings.get(answer.id)
        self.store.comparisons.record(**about, aspects=answer.aspects or {}, edit=self._edit(answer, assignment))
        return self.store.comparisons.get(answer.id)

    def withdraw(self, id: str, assignment: Assignment, last: Event) -> None:
        """Take back the assignment's last answer."""
        about = self._about(assignment, id, WITHDRAWN, last.id, corrects=True)
        (self.store.rankings if assignment.task_id else self.store.comparisons).record(**about)

    def _about(
        self, assignment: Assignment, id: str, verdict: str, supersedes: str | None, *, corrects: bool
    ) -> dict[str, Any]:
        """What a comparison and a ranking have in common, and where they are about."""
        if assignment.task_id:
            where = {"task_id": assignment.task_id, "positions": assignment.positions}
        else:
            where = {"pair_id": assignment.pair_id, "left_id": assignment.left_id, "right_id": assignment.right_id}
        return where | {
            "id": id,
            "assignment_id": assignment.id,
            "labeler_id": self.labeler.id,
            "verdict": verdict,
            "supersedes": supersedes,
            "late": not corrects and not self.queue.runs(assignment),
            "source": "simulated" if self.labeler.simulated else "person",
            "project_id": assignment.project_id,
            "guideline_version": assignment.guideline_version,
            "seconds": None if corrects else self._seconds(assignment),
        }

    def _seconds(self, assignment: Assignment) -> float | None:
        """From the showing to the answer; None where the clock was set back in between."""
        if not assignment.shown_at:
            return None
        seconds = (datetime.fromisoformat(self.clock()) - datetime.fromisoformat(assignment.shown_at)).total_seconds()
        return seconds if seconds >= 0 else None

    def _edit(self, answer: Answer, assignment: Assignment) -> tuple[str, str] | None:
        """The answer that was made better and its better text; refused where that is one of the two that were shown."""
        if answer.edit is None:
            return None
        ids = {"left": assignment.left_id, "right": assignment.right_id}
        if answer.edit in [self.store.completions.get(id).text for id in ids.values()]:
            raise Refusal("edit_same")
        return ids[edited_side(answer)], answer.edit
