# SPDX-License-Identifier: Apache-2.0
"""The Audit page: who did what and when, newest first, with a search over all columns."""

from __future__ import annotations

from typing import Any

import gradio as gr

from data.store import Store
from labeling.texts.pages import text
from labeling.texts.times import local_time
from reward.page import QUIET, Look, Updates
from rlhf.pages.audit_download import ADDRESS
from rlhf.pages.components import heading, hidden, html, table, unchanged
from rlhf.pages.markup import esc

COLUMNS = ("when", "actor", "action", "detail", "address")
NEWEST = 10_000
"""Acts that the search reads."""
SHOWN = 200
"""Acts in the table at most."""


class AuditPage:
    """The page's components and its handlers."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        heading("audit")
        self.words = gr.Textbox(label=text("audit.containing"), max_lines=1, elem_id="audit-words", scale=0)
        self.count = html("audit-count")
        self.table = table("audit", COLUMNS, "audit-table", "audit.title", searched=False)
        html(value=f"<p><a href='{ADDRESS}' download>{esc(text('people.audit'))}</a></p>")
        self.seen = hidden()
        shown = [self.seen, self.count, self.table]
        for event in (look, self.words.input):
            event(self.refresh, [self.words, self.seen], shown, **QUIET)

    def refresh(self, words: str, seen: str) -> Updates:
        """Draw the acts that contain every word, when there are new ones or the words changed."""
        newest = self.store.audit.all(1)
        mark = f"{newest[0]['id'] if newest else 0} {words}"
        if mark == seen:
            return unchanged()
        rows = find_acts(self.store, words)
        about = text("audit.count", n=len(rows), shown=min(SHOWN, len(rows)))
        return {self.seen: mark, self.count: f"<p class=soft>{esc(about)}</p>", self.table: rows[:SHOWN]}


def find_acts(store: Store, words: str) -> list[list[str]]:
    """Return the rows of the newest acts that contain every word in any column, newest first."""
    wanted = words.lower().split()
    rows = map(_row, store.audit.all(NEWEST))
    return [row for row in rows if all(word in " ".join(row).lower() for word in wanted)]


def _row(act: dict[str, Any]) -> list[str]:
    detail = ", ".join(f"{key}: {value}" for key, value in act["detail"].items())
    moment = local_time(act["created_at"], seconds=True)
    return [moment, act["name"] or act["actor"], act["action"], detail, act["address"] or ""]
