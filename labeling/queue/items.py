# SPDX-License-Identifier: Apache-2.0
"""Items for labelers, their answers, and receipts."""

from __future__ import annotations

from dataclasses import dataclass

from data.tables.assignments import Assignment


@dataclass(frozen=True, slots=True)
class Item:
    """A pair as the labeler sees it: texts only, without their authors."""

    assignment: str
    prompt: str
    left: str
    right: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class RankingItem:
    """Answers to rank, in the random order drawn for this labeler."""

    assignment: str
    prompt: str
    answers: tuple[str, ...]
    expires_at: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A labeler's verdict on a pair.

    The client generates `id`. `supersedes`: the labeler's own current answer that this one replaces. `active_seconds`:
    the time spent on the item, without breaks. `aspects`: a choice (left, tie, right) for each aspect of the form.
    `edit`: the improved text of the side `edited` ('left' or 'right', by default the winner).
    """

    id: str
    assignment: str
    verdict: str
    rationale: str | None = None
    supersedes: str | None = None
    aspects: dict[str, str] | None = None
    edit: str | None = None
    edited: str | None = None
    active_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RankingAnswer:
    """A labeler's ranking: `places[i]` is the place of the i-th answer as shown; 1 is the best, equal places are ties.

    `all_bad`: no answer is useful; then there are no places.
    """

    id: str
    assignment: str
    places: tuple[int, ...] = ()
    all_bad: bool = False
    rationale: str | None = None
    supersedes: str | None = None
    active_seconds: float | None = None

    @property
    def verdict(self) -> str:
        """The verdict as stored."""
        return "all_bad" if self.all_bad else "ranked"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A recorded answer; it is on the disk before the receipt is returned. `late`: after the end of the lease."""

    id: str
    assignment: str
    verdict: str
    late: bool
    created_at: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A labeler's current answers: since local midnight, and in total."""

    today: int
    total: int


@dataclass(frozen=True, slots=True)
class Empty:
    """The reason for an empty queue: `no_project`, `nothing_sampled`, `all_done` or `others_hold`.

    With `others_hold`, others have leases on the last `pairs` items; the first lease ends in `minutes`.
    """

    reason: str
    pairs: int = 0
    minutes: int = 0


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """A labeler's own current answer to a past item, for review and correction. `places` only for a ranking.

    A correction supersedes `id`. `edited` is the side whose answer was edited.
    """

    id: str
    item: Item | RankingItem
    verdict: str
    late: bool
    created_at: str
    rationale: str | None = None
    aspects: dict[str, str] | None = None
    edit: str | None = None
    edited: str | None = None
    places: tuple[int, ...] = ()


def shown_ids(assignment: Assignment) -> tuple[str, ...]:
    """Return the completion ids in the order shown: a ranking's positions, or left and right."""
    if assignment.positions is not None:
        return assignment.positions
    if assignment.left_id is None or assignment.right_id is None:
        raise ValueError(f"the assignment {assignment.id!r} has neither positions nor sides")
    return assignment.left_id, assignment.right_id
