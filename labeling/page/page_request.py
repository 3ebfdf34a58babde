# SPDX-License-Identifier: Apache-2.0
"""Requests of the labeler's page, and the replies that render every region of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labeling.page import controls, panels, screen
from labeling.page.feedback import effect
from labeling.page.item_view import ItemView, view_item
from labeling.session import Session
from labeling.texts.translate import say

Body = Mapping[str, Any]
Reply = dict[str, Any]


class PageRequest:
    """One request of the page: the session of its labeler, the reader's language, and the body."""

    def __init__(self, session: Session, language: str, body: Body) -> None:
        self.session = session
        self.language = language
        self.body = body

    def say(self, key: str, **values: object) -> str:
        """Return a text in the reader's language."""
        return say(self.language, key, **values)

    def text(self, name: str) -> str:
        """Return a field of the body, '' if it is missing or not a string."""
        value = self.body.get(name)
        return value if isinstance(value, str) else ""

    def is_correction(self) -> bool:
        """Return whether the body has a correction; its unsent text exists only on the page."""
        given = self.body.get("answer")
        return isinstance(given, Mapping) and bool(given.get("supersedes"))

    def with_account(self, reply: Reply) -> Reply:
        """Return the reply with its account and language."""
        return {"account": self.session.labeler.id, "language": self.language} | reply

    def status_line(self, *texts: str) -> Reply:
        """Return a reply with one status line."""
        return {"line": {"text": " ".join(texts), "bad": False}}

    def next(self) -> Reply:
        """Return the open item or a new one; without one, the reason."""
        item = self.session.next()
        if item is None:
            progress, why = self.session.progress(), self.session.why_empty()
            screen_html = screen.empty(self.language, why, progress, effect(self.session.store))
            buttons = controls.controls_without_item(self.language)
            return {
                "item": {"key": "", "assignment": "", "kind": "empty"},
                "regions": self.regions(None, screen_html, controls=buttons),
            }
        return self.show(view_item(self.session, item))

    def show(self, item_view: ItemView) -> Reply:
        """Return an item in all regions, with the data that the scripts need."""
        view = screen.view_of(self.text("view"), item_view)
        bar = panels.past_bar(self.language, item_view.past) if item_view.past else ""
        screen_html = bar + screen.screen(self.language, item_view, view)
        item: dict[str, Any] = {
            "key": item_view.key,
            "assignment": item_view.assignment,
            "kind": item_view.kind,
            "draft": item_view.draft,
            "left": item_view.left,
        }
        if item_view.past:
            item |= {"past": item_view.past.id, "verdict": item_view.past.verdict}
        if item_view.kind == "ranking":
            item["ties"] = item_view.project.form.tie
        elif item_view.project.form.edit:
            item["texts"] = dict(zip(("left", "right"), item_view.answers, strict=True))
        parts = {
            "form": controls.form(self.language, item_view),
            "controls": controls.controls(self.language, item_view, view),
        }
        return {
            "item": item,
            "regions": self.regions(
                item_view, screen_html, hold=controls.lease_timer(self.language, item_view), **parts
            ),
        }

    def regions(self, item_view: ItemView | None, screen_html: str, **parts: str) -> dict[str, str]:
        """Return the page's regions by their ids; an empty screen clears form, controls and hold."""
        header = controls.header(self.language, self.session.labeler, self.session.progress(), item_view)
        fixed = {"header": header, "screen": screen_html, "panels": panels.panels(self.language, item_view)}
        return {"form": "", "controls": "", "hold": ""} | fixed | parts
