"""What a labeler sees of items: a new one, and those met before with one's own current answer."""

from __future__ import annotations

from typing import Any

from data.records import Account
from data.store import Store
from data.tables.assignments import Assignment, assignment_from_row
from data.tables.rankings import Ranking
from data.tables.verdicts import WITHDRAWN
from labeling.queue.event_queries import Event, Ledger
from labeling.queue.items import Answer, Item, Past, RankingAnswer, RankingItem
from labeling.queue.validation import edited_side
from labeling.texts.translate import Refusal

ANSWERED = """SELECT a.* FROM assignments AS a WHERE a.labeler_id = :me AND a.done = 1
    AND NOT EXISTS (SELECT 1 FROM skips AS s WHERE s.assignment_id = a.id)
    AND (:before IS NULL OR (a.created_at, a.id) < (SELECT b.created_at, b.id FROM assignments AS b WHERE b.id = :before))
    ORDER BY a.created_at DESC, a.id DESC LIMIT :limit"""


class History:
    """One labeler's items, as texts."""

    def __init__(self, store: Store, labeler: Account, ledger: Ledger) -> None:
        self.store, self.labeler, self.ledger = store, labeler, ledger

    def item(self, assignment: Assignment) -> Item | RankingItem:
        """An assignment as its labeler sees it."""
        if assignment.positions:
            completions = [self.store.completions.get(id) for id in assignment.positions]
            prompt = self.store.prompts.get(completions[0].prompt_id)
            return RankingItem(
                assignment.id, prompt.text, tuple(each.text for each in completions), assignment.expires_at
            )
        left, right = self.store.completions.get(assignment.left_id), self.store.completions.get(assignment.right_id)
        prompt = self.store.prompts.get(left.prompt_id)
        return Item(assignment.id, prompt.text, left.text, right.text, assignment.expires_at)

    def list(self, limit: int, before: str | None) -> list[Past]:
        """The newest items that have an answer, those before the assignment `before` where it is given."""
        rows = self.store.rows(ANSWERED, {"me": self.labeler.id, "before": before, "limit": limit})
        return [self.of(assignment_from_row(row)) for row in rows]

    def of(self, assignment: Assignment) -> Past:
        """An item with its current answer. Raises `Refused` where it has none."""
        last = self.ledger.last_word(assignment)
        if last is None or last.verdict == WITHDRAWN:
            raise Refusal("no_such_answer")
        words = {name: value for name, value in self.words(last, assignment).items() if value}
        words |= {"places": tuple(words["places"])} if "places" in words else {}
        return Past(last.id, self.item(assignment), last.verdict, last.late, last.created_at, **words)

    def words(self, event: Event, assignment: Assignment) -> dict[str, Any]:
        """What was said, as a draft of saying it again."""
        if isinstance(event, Ranking):
            places = [event.places[id] for id in assignment.positions] if event.places else []
            return {"rationale": self.store.rankings.rationale(event.id) or "", "places": places}
        edit = self.store.comparisons.edit(event.id)
        return {
            "rationale": self.store.comparisons.rationale(event.id) or "",
            "aspects": self.store.comparisons.aspects(event.id),
            "edit": edit.text if edit else "",
            "edited": ("left" if edit.edited_id == event.left_id else "right") if edit else "",
        }

    def is_said(self, answer: Answer | RankingAnswer, event: Event, assignment: Assignment) -> bool:
        """Whether `event` recorded what `answer` says; what an erasure of the account took away is not compared."""
        named = {event.supersedes} | ({None} if self._replaces_withdrawn(event) else set())
        kept = self.words(event, assignment)
        if self.store.accounts.get(self.labeler.id).name == f"erased-{self.labeler.id}":
            kept = {name: kept[name] for name in kept if name in ("aspects", "places")}
        said = words_of(answer)
        return answer.supersedes in named and all(said[name] == kept[name] for name in kept)

    def _replaces_withdrawn(self, event: Event) -> bool:
        """Whether it answers an item that was undone, which an answer need not name."""
        old = self.ledger.find(event.supersedes) if event.supersedes else None
        return old is not None and old.verdict == WITHDRAWN


def words_of(answer: Answer | RankingAnswer) -> dict[str, Any]:
    """What an answer says, as `History.words` gives it back once it is recorded."""
    if isinstance(answer, RankingAnswer):
        order = sorted(set(answer.places))  # the store closes gaps: 1, 1, 3 is 1, 1, 2
        return {"rationale": answer.rationale or "", "places": [order.index(place) + 1 for place in answer.places]}
    edit = answer.edit or ""
    return {
        "rationale": answer.rationale or "",
        "aspects": dict(answer.aspects or {}),
        "edit": edit,
        "edited": edited_side(answer) if edit else "",
    }
