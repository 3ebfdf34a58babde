"""What the page shows of one item: the texts of the session's item, and the project's form, the draft and one's own earlier answer beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from data.tables.assignments import Assignment
from data.tables.projects import Project
from labeling.session import Item, Past, RankingItem, Session


@dataclass(frozen=True, slots=True)
class Sight:
    """One item on the screen. `turns` is the prompt as (role, text); `left` the seconds for which it is held, None for a `past` one."""

    assignment: str
    kind: str
    project: Project
    guideline_version: int
    turns: tuple[tuple[str, str], ...]
    answers: tuple[str, ...]
    left: float | None
    draft: dict[str, Any] = field(default_factory=dict)
    past: Past | None = None

    @property
    def key(self) -> str:
        """The same where the same thing is to be answered: the page keeps what was begun."""
        return f"{self.assignment} {self.past.id if self.past else ''}"


def sight(session: Session, item: Item | RankingItem, past: Past | None = None) -> Sight:
    """The sight of an item that this session handed out, or of a past one."""
    assignment = session.queue.find(item.assignment)
    kind = "ranking" if isinstance(item, RankingItem) else "pair"
    return Sight(
        assignment=item.assignment,
        kind=kind,
        project=session.project(item.assignment),
        guideline_version=assignment.guideline_version,
        turns=turns(session, assignment, item.prompt),
        answers=item.answers if isinstance(item, RankingItem) else (item.left, item.right),
        left=None if past else seconds_left(session, item.expires_at),
        draft=said(past) if past else session.draft(item.assignment),
        past=past,
    )


def turns(session: Session, assignment: Assignment, text: str) -> tuple[tuple[str, str], ...]:
    """The prompt as the turns of a conversation; a plain one is a single turn of the user."""
    shown = assignment.positions[0] if assignment.positions else assignment.left_id
    messages = session.store.prompts.get(session.store.completions.get(shown).prompt_id).messages
    return tuple((turn["role"], turn["content"]) for turn in messages) if messages else (("user", text),)


def seconds_left(session: Session, expires_at: str) -> float:
    """For how long the item is held from now on."""
    return max(0.0, (datetime.fromisoformat(expires_at) - datetime.fromisoformat(session.clock())).total_seconds())


def said(past: Past) -> dict[str, Any]:
    """An earlier answer as a draft of saying it again."""
    words = {
        "rationale": past.rationale,
        "aspects": past.aspects,
        "edit": past.edit,
        "edited": past.edited,
        "places": past.places,
    }
    return {name: value for name, value in words.items() if value}
