# SPDX-License-Identifier: Apache-2.0
"""Items as their labeler sees them: new ones, and past ones with the labeler's own current answer."""

from __future__ import annotations

from typing import Any

from data.records import Account
from data.store import Store
from data.tables.assignments import Assignment, assignment_from_row
from data.tables.rankings import Ranking
from data.tables.verdicts import WITHDRAWN
from labeling.queue.event_queries import Event, EventQueries
from labeling.queue.items import Answer, Item, PastAnswer, RankingAnswer, RankingItem, shown_ids
from labeling.queue.validation import edited_side
from labeling.texts.translate import Refusal

ANSWERED = """SELECT a.* FROM assignments AS a WHERE a.labeler_id = :me AND a.done = 1
    AND NOT EXISTS (SELECT 1 FROM skips AS s WHERE s.assignment_id = a.id)
    AND (:before IS NULL
        OR (a.created_at, a.id) < (SELECT b.created_at, b.id FROM assignments AS b WHERE b.id = :before))
    ORDER BY a.created_at DESC, a.id DESC LIMIT :limit"""


class History:
    """One labeler's items and past answers, as texts."""

    def __init__(self, store: Store, labeler: Account, events: EventQueries) -> None:
        self.store, self.labeler, self.events = store, labeler, events

    def build_item(self, assignment: Assignment) -> Item | RankingItem:
        """Return an assignment as its labeler sees it."""
        if assignment.positions:
            completions = [self.store.completions.get(id) for id in assignment.positions]
            prompt = self.store.prompts.get(completions[0].prompt_id)
            return RankingItem(
                assignment.id, prompt.text, tuple(completion.text for completion in completions), assignment.expires_at
            )
        left, right = (self.store.completions.get(id) for id in shown_ids(assignment))
        prompt = self.store.prompts.get(left.prompt_id)
        return Item(assignment.id, prompt.text, left.text, right.text, assignment.expires_at)

    def past_answers(self, limit: int, before: str | None) -> list[PastAnswer]:
        """Return the newest items with an answer; if `before` is given, those before this assignment."""
        rows = self.store.rows(ANSWERED, {"me": self.labeler.id, "before": before, "limit": limit})
        return [self.past_answer(assignment_from_row(row)) for row in rows]

    def past_answer(self, assignment: Assignment) -> PastAnswer:
        """Return an item with its current answer. Raises `Refused` if it has none."""
        last = self.events.latest_event(assignment)
        if last is None or last.verdict == WITHDRAWN:
            raise Refusal("no_such_answer")
        content = {name: value for name, value in self.draft_of(last, assignment).items() if value}
        content |= {"places": tuple(content["places"])} if "places" in content else {}
        return PastAnswer(last.id, self.build_item(assignment), last.verdict, last.late, last.created_at, **content)

    def draft_of(self, event: Event, assignment: Assignment) -> dict[str, Any]:
        """Return the content of an event as a draft."""
        if isinstance(event, Ranking):
            places = [event.places[id] for id in shown_ids(assignment)] if event.places else []
            return {"rationale": self.store.rankings.rationale(event.id) or "", "places": places}
        edit = self.store.comparisons.edit(event.id)
        return {
            "rationale": self.store.comparisons.rationale(event.id) or "",
            "aspects": self.store.comparisons.aspects(event.id),
            "edit": edit.text if edit else "",
            "edited": ("left" if edit.edited_id == event.left_id else "right") if edit else "",
        }

    def is_recorded(self, answer: Answer | RankingAnswer, event: Event, assignment: Assignment) -> bool:
        """Return whether `event` recorded `answer`; content that an erasure of the account deleted is not compared."""
        accepted_ids = {event.supersedes} | ({None} if self._replaces_withdrawn(event) else set())
        recorded = self.draft_of(event, assignment)
        if self.store.accounts.get(self.labeler.id).name == f"erased-{self.labeler.id}":
            recorded = {name: recorded[name] for name in recorded if name in ("aspects", "places")}
        content = answer_content(answer)
        return answer.supersedes in accepted_ids and all(content[name] == recorded[name] for name in recorded)

    def _replaces_withdrawn(self, event: Event) -> bool:
        """Return whether the event replaces a withdrawal, which an answer need not name."""
        old = self.events.find(event.supersedes) if event.supersedes else None
        return old is not None and old.verdict == WITHDRAWN


def answer_content(answer: Answer | RankingAnswer) -> dict[str, Any]:
    """Return the content of an answer as `History.draft_of` returns it after recording."""
    if isinstance(answer, RankingAnswer):
        order = sorted(set(answer.places))  # the store closes gaps: 1, 1, 3 becomes 1, 1, 2
        return {"rationale": answer.rationale or "", "places": [order.index(place) + 1 for place in answer.places]}
    edit = answer.edit or ""
    return {
        "rationale": answer.rationale or "",
        "aspects": dict(answer.aspects or {}),
        "edit": edit,
        "edited": edited_side(answer) if edit else "",
    }
