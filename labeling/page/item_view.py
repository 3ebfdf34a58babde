# SPDX-License-Identifier: Apache-2.0
"""Item views: an item's texts with the project's form, the draft, and the labeler's own past answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from data.starter import SOURCE
from data.tables.assignments import Assignment
from data.tables.projects import Project
from labeling.page.turns import Turn, read_turns
from labeling.queue.items import shown_ids
from labeling.session import Item, PastAnswer, RankingItem, Session


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item on the screen.

    `left`: remaining seconds of the lease, None for a `past` item. `invented`: a prompt about the starter's own world.
    """

    assignment: str
    kind: str
    project: Project
    guideline_version: int
    turns: tuple[Turn, ...]
    answers: tuple[str, ...]
    left: float | None
    draft: dict[str, Any] = field(default_factory=dict)
    past: PastAnswer | None = None
    invented: bool = False

    @property
    def key(self) -> str:
        """The key of the question; the page keeps a started answer while the key is the same."""
        return f"{self.assignment} {self.past.id if self.past else ''}"


def view_item(session: Session, item: Item | RankingItem, past: PastAnswer | None = None) -> ItemView:
    """Return the view of an item that this session handed out, or of a past one."""
    assignment = session.find_assignment(item.assignment)
    prompt = session.store.prompts.get(_prompt_id(session, assignment))
    kind = "ranking" if isinstance(item, RankingItem) else "pair"
    return ItemView(
        assignment=item.assignment,
        kind=kind,
        project=session.project(item.assignment),
        guideline_version=assignment.guideline_version,
        turns=read_turns(prompt),
        answers=item.answers if isinstance(item, RankingItem) else (item.left, item.right),
        left=None if past else seconds_left(session, item.expires_at),
        draft=draft_of(past) if past else session.draft(item.assignment),
        past=past,
        invented=prompt.source == SOURCE,
    )


def _prompt_id(session: Session, assignment: Assignment) -> int:
    return session.store.completions.get(shown_ids(assignment)[0]).prompt_id


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
