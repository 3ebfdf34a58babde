# SPDX-License-Identifier: Apache-2.0
"""Requests of the labeler's page, and their replies.

A verb runs in the transaction and only collects data. The reply holds a function that renders the regions after the
commit, so no work on a model's text delays the writer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from data.records import Account
from labeling.page import controls, panels, screen
from labeling.page.feedback import Effect, OnlineEffect, effect, online_effect
from labeling.page.item_view import ItemView, view_item
from labeling.session import Empty, Progress, Session
from labeling.texts.translate import say

Body = Mapping[str, Any]
Reply = dict[str, Any]
Regions = dict[str, str]
Render = Callable[[], Regions]


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
            regions: Render = partial(
                render_empty,
                self.language,
                self.session.labeler,
                self.session.progress(),
                self.session.why_empty(),
                effect(self.session.store),
            )
            return {"item": {"key": "", "assignment": "", "kind": "empty"}, "regions": regions}
        return self.show(view_item(self.session, item))

    def show(self, item_view: ItemView) -> Reply:
        """Return the data of an item that the scripts need, and how to render its regions."""
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
        view = screen.view_of(self.text("view"), item_view)
        progress = self.session.progress()
        learned = online_effect(self.session.store, item_view.project)
        return {
            "item": item,
            "regions": partial(render_item, self.language, self.session.labeler, progress, item_view, view, learned),
        }


def render_reply(reply: Reply) -> Reply:
    """Return the reply with its regions as HTML. Runs after the commit, on a thread of its own."""
    return reply | {"regions": reply["regions"]()} if "regions" in reply else reply


def render_item(
    language: str, account: Account, progress: Progress, item: ItemView, view: str, learned: OnlineEffect | None
) -> Regions:
    """Return the page's regions by their ids for one item."""
    bar = panels.past_bar(language, item.past) if item.past else ""
    return {
        "form": controls.form(language, item),
        "controls": controls.controls(language, item, view),
        "hold": controls.lease_timer(language, item),
        "header": controls.header(language, account, progress, item, learned),
        "screen": bar + screen.screen(language, item, view),
        "panels": panels.panels(language, item),
    }


def render_empty(language: str, account: Account, progress: Progress, why: Empty, effect: Effect) -> Regions:
    """Return the page's regions for an empty queue; form and hold are cleared."""
    return {
        "form": "",
        "controls": controls.controls_without_item(language),
        "hold": "",
        "header": controls.header(language, account, progress, None),
        "screen": screen.empty(language, why, progress, effect),
        "panels": panels.panels(language, None),
    }
