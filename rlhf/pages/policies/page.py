# SPDX-License-Identifier: Apache-2.0
"""The Policies page: the family tree, the card of one policy, its answers beside its parent's, export and merge."""

from __future__ import annotations

from functools import partial
from typing import Any
from zlib import crc32

import gradio as gr

from data.errors import BadInput
from data.ids import POLICY, public_id
from data.records import Policy
from data.store import Store
from data.views.head_to_head import head_to_head
from labeling.accounts.current import current_account
from labeling.texts.pages import text
from labeling.texts.translate import Refusal
from reward.page import QUIET, Look, Updates, on_address
from reward.report.addresses import choose_address, unknown
from reward.report.choices import model_choices
from reward.report.view import message_html
from rlhf.models.start_policy import BEST_OF_N
from rlhf.pages.components import heading, hidden, html, unchanged
from rlhf.pages.export import draw_files_of
from rlhf.pages.markup import empty
from rlhf.pages.placement import PlacementFold
from rlhf.pages.policies.answers import draw_answers
from rlhf.pages.policies.card import draw_card
from rlhf.pages.policies.tree import draw_tree
from rlhf.pages.runs.note_form import NoteForm
from rlhf.runs.launch import launch

PAIRS = 100


class PoliciesPage:
    """The page's components and its handlers. The address says which policy is on the screen; else it is the newest."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        heading("policies")
        self.tree = html("policies-tree")
        with gr.Row(elem_classes="line"):
            self.choice = gr.Dropdown(label=text("policies.policy"), min_width=220, scale=0, elem_id="policy-choice")
            self.pairs = self._button("queue_pairs", "queue-pairs", variant="primary", pairs=PAIRS)
            self.adapter = self._button("export_adapter", "export-adapter", visible=False)
            self.whole = self._button("export_model", "export-model", visible=False)
            self.merge = self._button("merge", "merge-policy", visible=False)
        self.status, self.files, self.detail = html("policy-said"), html("policy-files"), html("policy-detail")
        self.note = NoteForm(store, "policies")
        PlacementFold(store, look)
        self._wire(look)

    def _button(self, key: str, elem_id: str, *, pairs: int = 0, **about: Any) -> gr.Button:  # noqa: ANN401 (options of a button)
        return gr.Button(text(f"policies.{key}", pairs=pairs), scale=0, elem_id=elem_id, **about)

    def _wire(self, look: Look) -> None:
        self.chosen, self.seen, self.shown, self.listed = hidden(), hidden(), hidden(), hidden()
        state = [self.chosen, self.seen, self.shown, self.listed]
        buttons = [self.adapter, self.whole, self.merge]
        shown = [*state[1:], self.tree, self.choice, *buttons, self.files, self.detail, *self.note.outputs()]
        on_address("policies", look, self.refresh, [*state, self.note.seen], shown)
        self.note.wire()
        self.choice.input(None, self.choice, None, js=choose_address("policies"), **QUIET)
        queued: dict[gr.Button, Any] = {
            self.pairs: self.queue_pairs,
            self.adapter: partial(self.queue_export, merge=False),
            self.whole: partial(self.queue_export, merge=True),
            self.merge: self.queue_merge,
        }
        for button, queue in queued.items():
            button.click(queue, self.choice, self.status, **QUIET)

    def refresh(self, chosen: str, seen: str, shown: str, listed: str, noted: str = "") -> Updates:
        """Draw the tree when something in it changed, the card of another policy, and its files when one came."""
        policies = self.store.policies.all()
        chosen = chosen or (policies[-1].public if policies else "")
        policy = next((policy for policy in policies if policy.public == chosen), None)
        mark, updates = f"{self._mark()} {chosen}", self.note.show(policy.public if policy else "", noted)
        if mark != seen:
            value = policy.public if policy else None
            updates |= {self.seen: mark, self.choice: gr.Dropdown(choices=model_choices(policies[::-1]), value=value)}
            updates[self.tree] = draw_tree(self.store, chosen, head_to_head(self.store, "person"))
        if mark != seen or chosen != shown:
            updates |= {self.shown: chosen, self.detail: self.draw(chosen, policy), **self.offer(policy)}
        if policy and (files := draw_files_of(self.store.home, policy.public)) != listed:
            updates |= {self.listed: files, self.files: files}
        return updates or unchanged()

    def draw(self, chosen: str, policy: Policy | None) -> str:
        """Return the card and the answers of a policy; without one, the step that makes one."""
        if policy is None:
            unknown_line = message_html(unknown("policies", chosen))
            return unknown_line if chosen else empty(text("policies.none"), "#runs", text("link.runs"))
        answers = f"<h2>{text('policies.answers')}</h2>{draw_answers(self.store, policy)}"
        return draw_card(self.store, policy) + answers

    def offer(self, policy: Policy | None) -> Updates:
        """Show the buttons of what this policy can become; best-of-n has no weights of its own."""
        own = policy is not None and policy.kind != BEST_OF_N
        adapted = own and policy is not None and policy.adapter is not None
        shown = {self.adapter: adapted, self.whole: own, self.merge: adapted}
        return {button: gr.Button(visible=visible) for button, visible in shown.items()}

    def queue_pairs(self, chosen: str | None) -> str:
        """Queue a sampling run that makes blind pairs of this policy and its parent for the labelers."""
        try:
            settings = against_parent(self.store, chosen or "")
        except BadInput as problem:
            return message_html(problem)
        return self._queue("sample", settings, "policies.queued")

    def queue_export(self, chosen: str | None, *, merge: bool) -> str:
        """Queue a run that writes the policy as one file."""
        return self._queue("export", {"from": chosen or "", "merge": merge}, "policies.export_queued")

    def queue_merge(self, chosen: str | None) -> str:
        """Queue a run that merges the policy's adapter into its base."""
        return self._queue("merge", {"from": chosen or ""}, "policies.merge_queued")

    def _queue(self, kind: str, settings: dict[str, Any], said: str) -> str:
        try:
            run = launch(self.store, kind, settings, by=current_account().name)
        except BadInput as problem:
            return message_html(problem)
        return message_html(text(said, run=run.public), run.public)

    def _mark(self) -> str:
        """Return a mark that changes with everything the tree shows."""
        store = self.store
        notes = crc32(repr(store.notes.all(POLICY)).encode())
        return f"{store.policies.count()} {store.comparisons.count()} {len(store.evaluations.all())} {notes}"


def against_parent(store: Store, chosen: str) -> dict[str, str | int]:
    """Return the settings of a sampling run against the policy's parent. Raise BadInput if it has none."""
    policy = store.policies.get(chosen)
    if policy.parent_id is None:
        raise Refusal("train.policies.no_parent", policy=policy.public)
    against = public_id(POLICY, policy.parent_id)
    return {"from": policy.public, "against": against, "prompts": PAIRS, "until_decided": True}
