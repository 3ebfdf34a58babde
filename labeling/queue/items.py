"""What goes to a labeler and what comes back: items, answers, receipts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """What the labeler sees: texts only, nothing that tells who wrote them."""

    assignment: str
    prompt: str
    left: str
    right: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class RankingItem:
    """Answers to put in order, in the order in which they were drawn for this labeler."""

    assignment: str
    prompt: str
    answers: tuple[str, ...]
    expires_at: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the labeler says. `id` is made by the client; `supersedes` names one's own current answer where this one replaces it.

    `active_seconds`: at work on it, breaks left out.

    `aspects` has a choice (left, tie, right) for each aspect of the form. `edit` is the better text of the answer `edited`
    ('left' or 'right'; the winner's where it is not said).
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
    """An order of a ranking's answers: `places[i]` is the place of the i-th as shown, 1 the best, equal places being ties.

    `all_bad`: none of them is worth having; then there are no places.
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
        """As the store keeps it."""
        return "all_bad" if self.all_bad else "ranked"


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
    """Why there is nothing to judge: `no_project`, `nothing_sampled`, `all_done`, or `others_hold` the last `pairs`, the first for `minutes` more."""

    reason: str
    pairs: int = 0
    minutes: int = 0


@dataclass(frozen=True, slots=True)
class Past:
    """One's own current answer to an item met before: what was said, to be looked at and corrected. `places` only for a ranking.

    `id` is what a correction supersedes. `edited` is the side whose answer was made better.
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
