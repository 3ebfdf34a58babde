"""A labeler's session: the one way in which a comparison comes to be, for people, programs and simulated labelers alike.

The item answered is the item that was shown: an answer names its assignment, and it is taken where that assignment was
handed to this labeler and is unanswered (after the lease's end too: kept, and marked late), or where it replaces this
labeler's own current answer. The client makes the answer's id, so that sending it twice records it once. Whatever is
refused raises `Refused` with one line and changes nothing. No state lives here: a session can be made anew for each request.
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
from labeling.queue.event_queries import Event, Ledger
from labeling.queue.history import History
from labeling.queue.items import Answer as Answer
from labeling.queue.items import Empty as Empty
from labeling.queue.items import Item as Item
from labeling.queue.items import Past as Past
from labeling.queue.items import Progress as Progress
from labeling.queue.items import RankingAnswer as RankingAnswer
from labeling.queue.items import RankingItem as RankingItem
from labeling.queue.items import Receipt as Receipt
from labeling.queue.leases import Queue
from labeling.queue.recording import Recorder
from labeling.queue.validation import check, check_draft, check_form, check_ranking, check_ranking_form, check_reason
from labeling.texts.translate import Refusal

SKIPS = ("skip", "flag")


class Session:
    """One labeler at work. `labeler` is an account or its name; raises `Refused` where it is unknown or closed.

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
        self.ledger = Ledger(store)
        self.queue = Queue(
            store, account, overlap=overlap, rankings=rankings, rng=rng or random.SystemRandom(), clock=clock
        )
        self.recorder = Recorder(store, account, self.queue, clock)
        self.past = History(store, account, self.ledger)

    def next(self) -> Item | RankingItem | None:
        """The open item again, or a new one, leased for 10 minutes; None where nothing waits (`why_empty` tells why)."""
        with self.store.transaction():
            assignment = self.queue.lease()
            return self.past.item(assignment) if assignment else None

    def submit(self, answer: Answer | RankingAnswer) -> Receipt:
        """Record an answer. The same answer again gives the same receipt; an undone item's next answer finds by itself what it replaces."""
        (check_ranking if isinstance(answer, RankingAnswer) else check)(answer)
        with self.store.transaction():
            earlier = self.ledger.find(answer.id)
            if earlier:
                return self._again(answer, earlier)
            assignment = self._mine(answer.assignment)
            self._check_asked(answer, assignment)
            latest = self.ledger.last_word(assignment)
            recorded = self.recorder.record(answer, assignment, replaced(answer, latest), latest)
            self.store.drafts.delete(assignment.id)
            return receipt(recorded)

    def skip(self, assignment: str, reason: str, kind: str = "skip") -> None:
        """Let the item go to others ('flag': something is amiss with it), with a reason. Skipping it twice is skipping it once."""
        reason = reason.strip()
        check_reason(reason)
        if kind not in SKIPS:
            raise Refusal("skip_kind", kind=kind)
        with self.store.transaction():
            mine = self._found(assignment)
            if self.ledger.is_skipped(mine.id):
                return
            if not getattr(self.project(assignment).form, kind):
                raise Refusal(f"{kind}_not_asked")
            latest = self.ledger.last_word(mine)
            if latest and latest.verdict != WITHDRAWN:
                raise Refusal("already_answered")
            self.ledger.skip(mine.id, reason, kind)
            self.store.drafts.delete(mine.id)

    def undo(self) -> Item | RankingItem:
        """Take back one's last answer and get its item again. While that item is open, undoing again gives the same item."""
        with self.store.transaction():
            running = self.queue.running()
            if self._is_reopened(running):
                return self.past.item(self.queue.show(running))
            last = self.ledger.last_of(self.labeler.id, rankings=self.rankings)
            if last is None:
                raise Refusal("nothing_to_undo")
            if running:
                self.queue.end(running)
            assignment = self._mine(last.assignment_id)
            self.store.drafts.save(assignment.id, self.past.words(last, assignment))
            self.recorder.withdraw(secrets.token_hex(16), assignment, last)
            return self.past.item(self.queue.show(assignment))

    def skipped_since(self) -> str | None:
        """The assignment skipped last, where that was after the answer which `undo` would take back."""
        with self.store.transaction():
            last = self.ledger.last_of(self.labeler.id, rankings=self.rankings)
            return self.ledger.skipped_after(last) if last and not self._is_reopened(self.queue.running()) else None

    def heartbeat(self, assignment: str) -> str:
        """Hold the item for 10 more minutes; when that ends. Refused for an item that is another's, is answered, or has gone to others."""
        with self.store.transaction():
            mine = self._mine(assignment)
            if mine.done:
                raise Refusal("already_answered")
            renewed = self.queue.renew(mine)
            if renewed is None:
                raise Refusal("hold_ended")
            return renewed.expires_at

    def draft(self, assignment: str) -> dict[str, Any]:
        """What this labeler has begun to say about the item."""
        return self.store.drafts.get(self._found(assignment).id)

    def save_draft(self, assignment: str, **content: Any) -> None:
        """Keep what was begun (rationale, edit, edited, verdict, aspects, places), in place of what was kept before."""
        check_draft(content)
        with self.store.transaction():
            mine = self._mine(assignment)
            if not mine.done:
                self.store.drafts.save(mine.id, content)

    def history(self, limit: int = 20, before: str | None = None) -> list[Past]:
        """One's own answers, the item met last first; those met before the assignment `before` where it is given."""
        return self.past.list(limit, before)

    def look_back(self, assignment: str) -> Past:
        """One's own answer to an item, to be corrected by an answer that supersedes its id."""
        return self.past.of(self._found(assignment))

    def project(self, assignment: str) -> Project:
        """The project of an item: its form, and what its labelers are told."""
        return self.store.projects.get(self._found(assignment).project_id)

    def guideline(self, assignment: str) -> str:
        """The guideline by which the item was shown, as Markdown."""
        mine = self._found(assignment)
        return self.store.projects.guideline(mine.project_id, mine.guideline_version).text

    def progress(self) -> Progress:
        """One's own answers today (local midnight on) and in all; what was taken back does not count."""
        midnight = datetime.fromisoformat(self.clock()).astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        today, total = self.ledger.count_of(
            self.labeler.id, midnight.astimezone(UTC).isoformat(timespec="microseconds")
        )
        return Progress(today, total)

    def why_empty(self) -> Empty:
        """Why `next` gave None."""
        with self.store.transaction():
            if not self.queue.projects():
                return Empty("no_project")
            if not self.queue.has_items():
                return Empty("nothing_sampled")
            pairs, seconds = self.queue.held_by_others()
        return Empty("others_hold", pairs, max(1, -int(-seconds // 60))) if pairs else Empty("all_done")

    def _found(self, assignment: str) -> Assignment:
        mine = self.queue.find(assignment) if re.fullmatch(r"[A-Za-z0-9-]{1,64}", assignment) else None
        if mine is None:
            raise Refusal("not_yours")
        return mine

    def _mine(self, assignment: str) -> Assignment:
        mine = self._found(assignment)
        if self.ledger.is_skipped(mine.id):
            raise Refusal("already_skipped")
        return mine

    def _is_reopened(self, running: Assignment | None) -> bool:
        """Whether the open item is one whose answer was taken back."""
        latest = self.ledger.last_word(running) if running else None
        return latest is not None and latest.verdict == WITHDRAWN

    def _check_asked(self, answer: Answer | RankingAnswer, assignment: Assignment) -> None:
        form = self.store.projects.get(assignment.project_id).form
        if isinstance(answer, RankingAnswer):
            if assignment.positions is None:
                raise Refusal("not_a_ranking")
            check_ranking_form(form, answer, len(assignment.positions))
        else:
            if assignment.positions is not None:
                raise Refusal("not_a_pair")
            check_form(form, answer)

    def _again(self, answer: Answer | RankingAnswer, earlier: Event) -> Receipt:
        if (earlier.labeler_id, earlier.assignment_id) != (self.labeler.id, answer.assignment):
            raise Refusal("id_taken")
        if earlier.verdict != answer.verdict:
            raise Refusal("already_answered")
        if not self.past.is_said(answer, earlier, self._found(answer.assignment)):
            raise Refusal("id_taken")
        return receipt(earlier)


def replaced(answer: Answer | RankingAnswer, latest: Event | None) -> str | None:
    """The id of the event that `answer` replaces, None for a first answer; `latest` is the assignment's last event.

    A withdrawal is replaced without being named; a standing answer only by name. So of two clicks on an undone item
    the second finds a standing answer and is refused.
    """
    if latest is None and answer.supersedes is None:
        return None
    if latest and answer.supersedes in (latest.id, None if latest.verdict == WITHDRAWN else latest.id):
        return latest.id
    raise Refusal("not_current" if answer.supersedes else "already_answered")


def receipt(event: Event) -> Receipt:
    """The receipt of a recorded event."""
    return Receipt(event.id, event.assignment_id, event.verdict, event.late, event.created_at)
