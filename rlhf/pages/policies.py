# SPDX-License-Identifier: Apache-2.0
"""The Policies page: the family tree with win rates, and each policy's answers beside its parent's."""

from __future__ import annotations

from zlib import crc32

import gradio as gr

from data.errors import BadInput
from data.ids import POLICY, public_id
from data.store import Store
from data.tables.notes import EMPTY
from data.views.head_to_head import head_to_head
from labeling.accounts.current import current_account
from labeling.texts.pages import text
from labeling.texts.translate import Refusal
from reward.page import QUIET, Look, Updates, on_address
from reward.report.addresses import choose_address, unknown
from reward.report.view import message_html, model_choices
from rlhf.pages.components import heading, hidden, html, table, unchanged, with_links
from rlhf.pages.placement import PlacementFold
from rlhf.pages.policies_view import COLUMNS, draw_policy, in_family_order, row
from rlhf.pages.runs.note_form import NoteForm
from rlhf.runs.launch import launch

PAIRS = 100
LINKED = ("policy", "parent", "judge")
"""Columns that hold ids."""


class PoliciesPage:
    """The page's components and its handlers. The address says which policy is on the screen; else it is the newest."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        heading("policies")
        self.table = table("policies", COLUMNS, "policies-table", "policies.table", linked=LINKED)
        with gr.Row(elem_classes="line"):
            self.choice = gr.Dropdown(label=text("policies.policy"), min_width=220, scale=0, elem_id="policy-choice")
            judge = gr.Button(
                text("policies.queue_pairs", pairs=PAIRS),
                variant="primary",
                scale=0,
                min_width=300,
                elem_id="queue-pairs",
            )
        status, self.detail = html(), html("policy-detail")
        self.note = NoteForm(store, "policies")
        PlacementFold(store, look)
        self.chosen, self.seen, self.shown = hidden(), hidden(), hidden()
        shown = [self.seen, self.shown, self.table, self.choice, self.detail, *self.note.outputs()]
        on_address("policies", look, self.refresh, [self.chosen, self.seen, self.shown, self.note.seen], shown)
        self.note.wire()
        self.choice.input(None, self.choice, None, js=choose_address("policies"), **QUIET)
        judge.click(self.queue_pairs, self.choice, status, **QUIET)

    def refresh(self, chosen: str, seen: str, shown: str, noted: str = "") -> Updates:
        """Draw the table when something in it changed, and the policy when another one is chosen."""
        policies, notes = self.store.policies.all(), self.store.notes.all(POLICY)
        mark = f"{self._mark()} {crc32(repr(notes).encode())}"
        ids = [policy.public for policy in policies]
        chosen = chosen or (ids[-1] if ids else "")
        value = chosen if chosen in ids else None
        note = self.note.show(value or "", noted)
        if (mark, chosen) == (seen, shown):
            return note or unchanged()
        updates: Updates = {self.choice: gr.Dropdown(choices=model_choices(reversed(policies)), value=value)}
        if mark != seen:
            met = head_to_head(self.store, "person")
            rows = [row(self.store, policy, met, notes.get(policy.id, EMPTY)) for policy in in_family_order(policies)]
            updates |= {self.seen: mark, self.table: with_links(COLUMNS, rows, LINKED)}
        updates |= note
        if chosen != shown or not seen:
            known = value or not chosen
            drawn = draw_policy(self.store, chosen) if known else message_html(unknown("policies", chosen))
            updates |= {self.shown: chosen, self.detail: drawn}
        return updates

    def queue_pairs(self, chosen: str | None) -> str:
        """Queue a sampling run that makes blind pairs of this policy and its parent for the labelers."""
        try:
            settings = against_parent(self.store, chosen or "")
            run = launch(self.store, "sample", settings, by=current_account().name)
        except BadInput as problem:
            return message_html(problem)
        return message_html(text("policies.queued", run=run.public), run.public)

    def _mark(self) -> str:
        """Return a mark that changes with everything the table shows."""
        store = self.store
        return f"{store.policies.count()} {store.comparisons.count()} {len(store.evaluations.all())}"


def against_parent(store: Store, chosen: str) -> dict[str, str | int]:
    """Return the settings of a sampling run against the policy's parent. Raise BadInput if it has none."""
    policy = store.policies.get(chosen)
    if policy.parent_id is None:
        raise Refusal("train.policies.no_parent", policy=policy.public)
    return {"from": policy.public, "against": public_id(POLICY, policy.parent_id), "prompts": PAIRS}
