# SPDX-License-Identifier: Apache-2.0
"""Item views: an item's texts with the project's form, the draft, and the labeler's own past answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from data.tables.assignments import Assignment
from data.tables.projects import Project
from labeling.queue.items import shown_ids
from labeling.session import Item, PastAnswer, RankingItem, Session


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item on the screen.

    `turns`: the prompt as (role, text); `left`: remaining seconds of the lease, None for a `past` item.
    """

    assignment: str
    kind: str
    project: Project
    guideline_version: int
    turns: tuple[tuple[str, str], ...]
    answers: tuple[str, ...]
    left: float | None
    draft: dict[str, Any] = field(default_factory=dict)
    past: PastAnswer | None = None

    @property
    def key(self) -> str:
        """The key of the question; the page keeps a started answer while the key is the same."""
        return f"{self.assignment} {self.past.id if self.past else ''}"


def view_item(session: Session, item: Item | RankingItem, past: PastAnswer | None = None) -> ItemView:
    """Return the view of an item that this session handed out, or of a past one."""
    assignment = session.find_assignment(item.assignment)
    kind = "ranking" if isinstance(item, RankingItem) else "pair"
    return ItemView(
        assignment=item.assignment,
        kind=kind,
        project=session.project(item.assignment),
        guideline_version=assignment.guideline_version,
        turns=turns(session, assignment, item.prompt),
        answers=item.answers if isinstance(item, RankingItem) else (item.left, item.right),
        left=None if past else seconds_left(session, item.expires_at),
        draft=draft_of(past) if past else session.draft(item.assignment),
        past=past,
    )


def turns(session: Session, assignment: Assignment, text: str) -> tuple[tuple[str, str], ...]:
    """Return the prompt as the turns of a conversation; a plain prompt is a single turn of the user."""
    completion = session.store.completions.get(shown_ids(assignment)[0])
    messages = session.store.prompts.get(completion.prompt_id).messages
    return tuple((turn["role"], turn["content"]) for turn in messages) if messages else (("user", text),)


def seconds_left(session: Session, expires_at: str) -> float:
    """Return the seconds until the lease ends."""
    return max(0.0, (datetime.fromisoformat(expires_at) - datetime.fromisoformat(session.clock())).total_seconds())


def draft_of(past: PastAnswer) -> dict[str, Any]:
    """Return a past answer as a draft."""
    content = {
        "rationale": past.rationale,
        "aspects": past.aspects,
        "edit": past.edit,
        "edited": past.edited,
        "places": past.places,
    }
    return {name: value for name, value in content.items() if value}
