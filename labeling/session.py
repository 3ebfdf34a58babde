# SPDX-License-Identifier: Apache-2.0
"""A labeler's session: the only way to record comparisons, for people, programs and simulated labelers.

An answer names its assignment, so the item answered is the item shown. The session accepts it if the assignment belongs
to this labeler and is unanswered, or if it replaces the labeler's own current answer. After the end of the lease it is
marked as late. Submissions are idempotent: the client generates the id. A refusal raises `Refused` with one line and
changes nothing. A session has no state of its own and can be created for each request.
"""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from data.clock import now
from data.records import Account
from data.store import Store
from data.tables.assignments import Assignment
from data.tables.projects import Project
from data.tables.verdicts import WITHDRAWN
from data.views.judging import withdraw_if_decided
from labeling.queue.event_queries import Event, EventQueries
from labeling.queue.history import History
from labeling.queue.items import Answer as Answer
from labeling.queue.items import Empty as Empty
from labeling.queue.items import Item as Item
from labeling.queue.items import PastAnswer as PastAnswer
from labeling.queue.items import Progress as Progress
from labeling.queue.items import RankingAnswer as RankingAnswer
from labeling.queue.items import RankingItem as RankingItem
from labeling.queue.items import Receipt as Receipt
from labeling.queue.leases import Queue
from labeling.queue.recording import Recorder, find_replaced_event, make_receipt
from labeling.queue.validation import check_asked, check_draft, check_reason, check_well_formed
from labeling.texts.translate import Refusal

SKIPS = ("skip", "flag")


class Session:
    """One labeler's session. `labeler` is an account or its name; raises `Refused` if it is unknown or disabled.

    `overlap` and `rankings`: see `Queue`. `rng` draws order and sides; the default is the system's own randomness.
    """

    def __init__(
        self,
        store: Store,
        labeler: Account | str,
        *,
        overlap: float | None = None,
        rankings: bool = False,
        rng: random.Random | None = None,
        clock: Callable[[], str] = now,
    ) -> None:
        name = labeler if isinstance(labeler, str) else labeler.name
        account = store.accounts.by_name(name)
        if account is None:
            raise Refusal("no_account", name=name)
        if account.disabled:
            raise Refusal("account_off", name=name)
        self.store = store
        self.labeler = account
        self.rankings = rankings
        self.clock = clock
        self.events = EventQueries(store)
        self.queue = Queue(
            store, account, overlap=overlap, rankings=rankings, rng=rng or random.SystemRandom(), clock=clock
        )
        self.recorder = Recorder(store, account, self.queue, clock)
        self.items = History(store, account, self.events)

    def next(self) -> Item | RankingItem | None:
        """Return the open item or a new one, leased for 10 minutes; None if there is none (see `why_empty`)."""
        with self.store.transaction():
            assignment = self.queue.lease()
            return self.items.build_item(assignment) if assignment else None

    def submit(self, answer: Answer | RankingAnswer) -> Receipt:
        """Record an answer and return its receipt; the same answer again returns the same receipt.

        An answer to an undone item replaces the withdrawal without naming it.
        """
        check_well_formed(answer)
        with self.store.transaction():
            earlier = self.events.find(answer.id)
            if earlier:
                return self._receipt_again(answer, earlier)
            assignment = self._own_unskipped(answer.assignment)
            check_asked(answer, assignment, self.store.projects.get(assignment.project_id).form)
            latest = self.events.latest_event(assignment)
            recorded = self.recorder.record(answer, assignment, find_replaced_event(answer, latest), latest)
            self.store.drafts.delete(assignment.id)
            if assignment.pair_id and not self.labeler.simulated:
                withdraw_if_decided(self.store, assignment.pair_id)
            return make_receipt(recorded)

    def skip(self, assignment: str, reason: str, kind: str = "skip") -> None:
        """Return the item to the queue for others ('flag': report a problem with it), with a reason. Idempotent."""
        reason = reason.strip()
        check_reason(reason)
        if kind not in SKIPS:
            raise Refusal("skip_kind", kind=kind)
        with self.store.transaction():
            own_assignment = self.find_assignment(assignment)
            if self.events.is_skipped(own_assignment.id):
                return
            if not getattr(self.project(assignment).form, kind):
                raise Refusal(f"{kind}_not_asked")
            latest = self.events.latest_event(own_assignment)
            if latest and latest.verdict != WITHDRAWN:
                raise Refusal("already_answered")
            self.events.record_skip(own_assignment.id, reason, kind)
            self.store.drafts.delete(own_assignment.id)

    def undo(self) -> Item | RankingItem:
        """Withdraw the labeler's latest answer and return its item. While that item is open, undo returns it again."""
        with self.store.transaction():
            running = self.queue.running_lease()
            if running and self._is_reopened(running):
                return self.items.build_item(self.queue.hand_out(running))
            last = self.events.latest_answer(self.labeler.id, rankings=self.rankings)
            if last is None or last.assignment_id is None:
                raise Refusal("nothing_to_undo")
            if running:
                self.queue.end_lease(running)
            assignment = self._own_unskipped(last.assignment_id)
            self.store.drafts.save(assignment.id, self.items.draft_of(last, assignment))
            self.recorder.withdraw(secrets.token_hex(16), assignment, last)
            return self.items.build_item(self.queue.hand_out(assignment))

    def skipped_since_last_answer(self) -> str | None:
        """Return the assignment skipped last, if that was after the answer that `undo` would withdraw."""
        with self.store.transaction():
            last = self.events.latest_answer(self.labeler.id, rankings=self.rankings)
            return (
                self.events.skipped_after(last) if last and not self._is_reopened(self.queue.running_lease()) else None
            )

    def heartbeat(self, assignment: str) -> str:
        """Extend the lease to 10 minutes from now and return its end.

        Raises `Refused` if the item belongs to another labeler, is answered, or was leased to others.
        """
        with self.store.transaction():
            own_assignment = self._own_unskipped(assignment)
            if own_assignment.done:
                raise Refusal("already_answered")
            renewed = self.queue.renew(own_assignment)
            if renewed is None:
                raise Refusal("hold_ended")
            return renewed.expires_at

    def draft(self, assignment: str) -> dict[str, Any]:
        """Return this labeler's draft for the item."""
        return self.store.drafts.get(self.find_assignment(assignment).id)

    def save_draft(self, assignment: str, **content: object) -> None:
        """Replace the draft for the item (rationale, edit, edited, verdict, aspects, places)."""
        check_draft(content)
        with self.store.transaction():
            own_assignment = self._own_unskipped(assignment)
            if not own_assignment.done:
                self.store.drafts.save(own_assignment.id, content)

    def history(self, limit: int = 20, before: str | None = None) -> list[PastAnswer]:
        """Return the labeler's own answers, the newest item first.

        If `before` is given, those before this assignment.
        """
        return self.items.past_answers(limit, before)

    def past_answer(self, assignment: str) -> PastAnswer:
        """Return the labeler's own answer to an item; a correction supersedes its id."""
        return self.items.past_answer(self.find_assignment(assignment))

    def project(self, assignment: str) -> Project:
        """Return the project of an item."""
        return self.store.projects.get(self.find_assignment(assignment).project_id)

    def guideline(self, assignment: str) -> str:
        """Return the guideline version with which the item was shown, as Markdown."""
        own_assignment = self.find_assignment(assignment)
        return self.store.projects.guideline(own_assignment.project_id, own_assignment.guideline_version).text

    def progress(self) -> Progress:
        """Count the labeler's own answers today (since local midnight) and in total; withdrawn ones do not count."""
        midnight = datetime.fromisoformat(self.clock()).astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        today, total = self.events.count_answers(
            self.labeler.id, midnight.astimezone(UTC).isoformat(timespec="microseconds")
        )
        return Progress(today, total)

    def why_empty(self) -> Empty:
        """Return the reason why `next` returned None."""
        with self.store.transaction():
            if not self.queue.projects():
                return Empty("no_project")
            if not self.queue.has_items():
                return Empty("nothing_sampled")
            pairs, seconds = self.queue.held_by_others()
        return Empty("others_hold", pairs, max(1, -int(-seconds // 60))) if pairs else Empty("all_done")

    def find_assignment(self, assignment: str) -> Assignment:
        """Return the labeler's own assignment with this id. Raises `Refused` if it belongs to another labeler."""
        own_assignment = self.queue.find(assignment) if re.fullmatch(r"[A-Za-z0-9-]{1,64}", assignment) else None
        if own_assignment is None:
            raise Refusal("not_yours")
        return own_assignment

    def _own_unskipped(self, assignment: str) -> Assignment:
        own_assignment = self.find_assignment(assignment)
        if self.events.is_skipped(own_assignment.id):
            raise Refusal("already_skipped")
        return own_assignment

    def _is_reopened(self, running: Assignment | None) -> bool:
        """Return whether the answer to the open item was withdrawn."""
        latest = self.events.latest_event(running) if running else None
        return latest is not None and latest.verdict == WITHDRAWN

    def _receipt_again(self, answer: Answer | RankingAnswer, earlier: Event) -> Receipt:
        if (earlier.labeler_id, earlier.assignment_id) != (self.labeler.id, answer.assignment):
            raise Refusal("id_taken")
        if earlier.verdict != answer.verdict:
            raise Refusal("already_answered")
        if not self.items.is_recorded(answer, earlier, self.find_assignment(answer.assignment)):
            raise Refusal("id_taken")
        return make_receipt(earlier)
