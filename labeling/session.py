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
from dataclasses import dataclass
from datetime import UTC, datetime

from data.clock import now
from data.records import Account, Comparison
from data.store import Store
from data.verdicts import VERDICTS, WITHDRAWN
from labeling.ledger import Ledger
from labeling.queue import LEASE_SECONDS, OVERLAP, Assignment, Queue
from labeling.texts import Refusal

REASON_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Item:
    """What the labeler sees: texts only, nothing that tells who wrote them."""

    assignment: str
    prompt: str
    left: str
    right: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the labeler says. `id` is made by the client; `supersedes` names one's own current answer where this one replaces it."""

    id: str
    assignment: str
    verdict: str
    rationale: str | None = None
    supersedes: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was recorded; it is on the disk when this is handed out. `late`: after the end of the lease."""

    id: str
    assignment: str
    verdict: str
    late: bool
    created_at: str


@dataclass(frozen=True, slots=True)
class Progress:
    """One's own current answers: since local midnight, and in all."""

    today: int
    total: int


@dataclass(frozen=True, slots=True)
class Empty:
    """Why there is nothing to judge: `nothing_sampled`, `all_done`, or `others_hold` the last `pairs`, the first for `minutes` more."""

    reason: str
    pairs: int = 0
    minutes: int = 0


class Session:
    """One labeler at work. `labeler` is an account or its name; raises `Refused` where it is unknown or closed.

    `overlap`: see `Queue`. `rng` draws order and sides; the default is the system's own randomness.
    """

    def __init__(
        self,
        store: Store,
        labeler: Account | str,
        *,
        overlap: float = OVERLAP,
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
        self.rng = rng or random.SystemRandom()
        self.clock = clock
        self.ledger = Ledger(store)
        self.queue = Queue(store, account, overlap=overlap, rng=self.rng, clock=clock)

    def next(self) -> Item | None:
        """The open item again, or a new one, leased for 10 minutes; None where nothing waits (`why_empty` tells why)."""
        with self.store.transaction():
            assignment = self.queue.lease()
            return self._item(assignment) if assignment else None

    def submit(self, answer: Answer) -> Receipt:
        """Record an answer. The same answer again gives the same receipt; an undone item's next answer finds by itself what it replaces."""
        check(answer)
        with self.store.transaction():
            earlier = self.ledger.find(answer.id)
            if earlier:
                return self._again(answer, earlier)
            assignment = self._mine(answer.assignment)
            latest = self.ledger.last_word(assignment.id, assignment.pair_id)
            supersedes = replaced(answer, latest)
            recorded = self._record(
                answer, assignment, supersedes, is_correction=latest is not None and latest.verdict != WITHDRAWN
            )
            self.queue.end(assignment)
            return receipt(recorded)

    def skip(self, assignment: str, reason: str) -> None:
        """Let the item go to others, with a reason. Skipping it twice is skipping it once."""
        reason = reason.strip()
        check_reason(reason)
        with self.store.transaction():
            mine = self.queue.find(assignment)
            if mine is None:
                raise Refusal("not_yours")
            if self.ledger.is_skipped(mine.id):
                return
            latest = self.ledger.last_word(mine.id, mine.pair_id)
            if latest and latest.verdict != WITHDRAWN:
                raise Refusal("already_answered")
            self.ledger.skip(mine.id, reason)
            self.queue.end(mine)

    def undo(self) -> Item:
        """Take back one's last answer and get its item again. While that item is open, undoing again gives the same item."""
        with self.store.transaction():
            running = self.queue.running()
            latest = self.ledger.last_word(running.id, running.pair_id) if running else None
            if latest and latest.verdict == WITHDRAWN:
                return self._item(self.queue.renew(running))
            last = self.ledger.last_of(self.labeler.id)
            if last is None:
                raise Refusal("nothing_to_undo")
            if running:
                self.queue.end(running)
            assignment = self._mine(last.assignment_id)
            self._record(Answer(secrets.token_hex(16), assignment.id, WITHDRAWN), assignment, last.id, is_correction=True)
            return self._item(self.queue.renew(assignment))

    def progress(self) -> Progress:
        """One's own answers today (local midnight on) and in all; what was taken back does not count."""
        midnight = datetime.fromisoformat(self.clock()).astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        today, total = self.ledger.count_of(self.labeler.id, midnight.astimezone(UTC).isoformat(timespec="microseconds"))
        return Progress(today, total)

    def why_empty(self) -> Empty:
        """Why `next` gave None."""
        with self.store.transaction():
            if not self.queue.has_pairs():
                return Empty("nothing_sampled")
            pairs, seconds = self.queue.held_by_others()
        return Empty("others_hold", pairs, max(1, -int(-seconds // 60))) if pairs else Empty("all_done")

    def _item(self, assignment: Assignment) -> Item:
        left, right = self.store.completions.get(assignment.left_id), self.store.completions.get(assignment.right_id)
        prompt = self.store.prompts.get(left.prompt_id)
        return Item(assignment.id, prompt.text, left.text, right.text, assignment.expires_at)

    def _mine(self, assignment: str) -> Assignment:
        mine = self.queue.find(assignment)
        if mine is None:
            raise Refusal("not_yours")
        if self.ledger.is_skipped(mine.id):
            raise Refusal("already_skipped")
        return mine

    def _again(self, answer: Answer, earlier: Comparison) -> Receipt:
        if (earlier.labeler_id, earlier.assignment_id) != (self.labeler.id, answer.assignment):
            raise Refusal("id_taken")
        if earlier.verdict != answer.verdict:
            raise Refusal("already_answered")
        return receipt(earlier)

    def _record(self, answer: Answer, assignment: Assignment, supersedes: str | None, *, is_correction: bool) -> Comparison:
        moment = datetime.fromisoformat(self.clock())
        ends = datetime.fromisoformat(assignment.expires_at)
        self.store.comparisons.record(
            id=answer.id,
            assignment_id=assignment.id,
            pair_id=assignment.pair_id,
            labeler_id=self.labeler.id,
            left_id=assignment.left_id,
            right_id=assignment.right_id,
            verdict=answer.verdict,
            supersedes=supersedes,
            late=not is_correction and ends <= moment,
            source="simulated" if self.labeler.simulated else "person",
            seconds=None if is_correction else (moment - ends).total_seconds() + LEASE_SECONDS,
            rationale=answer.rationale,
        )
        return self.store.comparisons.get(answer.id)


def check(answer: Answer) -> None:
    """Refuse a malformed answer before anything is read."""
    if answer.verdict not in VERDICTS:
        raise Refusal("unknown_verdict", verdict=answer.verdict, allowed=", ".join(VERDICTS))
    if not re.fullmatch(r"[A-Za-z0-9-]{8,64}", answer.id):
        raise Refusal("bad_answer_id", id=answer.id)
    if answer.rationale is not None:
        check_reason(answer.rationale)


def check_reason(text: str) -> None:
    """A reason says something, and is no novel."""
    if not text.strip():
        raise Refusal("no_reason")
    if len(text) > REASON_LENGTH:
        raise Refusal("reason_long", n=len(text), most=REASON_LENGTH)


def replaced(answer: Answer, latest: Comparison | None) -> str | None:
    """The id of the event that `answer` replaces, None for a first answer; `latest` is the assignment's last event.

    A withdrawal is replaced without being named; a standing answer only by name. So of two clicks on an undone item
    the second finds a standing answer and is refused.
    """
    if latest is None and answer.supersedes is None:
        return None
    if latest and answer.supersedes in (latest.id, None if latest.verdict == WITHDRAWN else latest.id):
        return latest.id
    raise Refusal("not_current" if answer.supersedes else "already_answered")


def receipt(comparison: Comparison) -> Receipt:
    """The receipt of a recorded comparison."""
    return Receipt(comparison.id, comparison.assignment_id, comparison.verdict, comparison.late, comparison.created_at)
