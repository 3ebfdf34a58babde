# SPDX-License-Identifier: Apache-2.0
"""The Policies page: the family tree with win rates, and each policy's answers beside its parent's."""

from __future__ import annotations

from typing import Any

import gradio as gr

from data.errors import BadInput
from data.ids import POLICY, public_id
from data.store import Store
from data.views.head_to_head import head_to_head
from labeling.accounts.current import current_account
from labeling.texts.pages import text
from labeling.texts.translate import Refusal
from reward.report.view import message_html, model_choices
from rlhf.pages.components import QUIET, Look, Updates, heading, hidden, html, table, unchanged
from rlhf.pages.placement import PlacementFold
from rlhf.pages.policies_view import COLUMNS, draw_policy, in_family_order, row
from rlhf.runs.launch import launch

PAIRS = 100


class PoliciesPage:
    """The page's components and its handlers."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        heading("policies")
        self.table = table("policies", COLUMNS, "policies-table", "policies.table")
        with gr.Row(elem_classes="line"):
            self.choice = gr.Dropdown(label=text("policies.policy"), min_width=220, scale=0, elem_id="policy-choice")
            judge = gr.Button(
                text("policies.queue_pairs", pairs=PAIRS),
                variant="primary",
                scale=0,
                min_width=300,
                elem_id="queue-pairs",
            )
        status, detail = html(), html()
        PlacementFold(store, look)
        self.seen = hidden()
        shown = [self.seen, self.table, self.choice]
        gr.on(look, self.refresh, [self.seen], shown, **QUIET)
        self.choice.change(self.show, self.choice, detail, **QUIET)
        self.table.select(self.choose, None, self.choice, **QUIET)
        judge.click(self.queue_pairs, self.choice, status, **QUIET)

    def refresh(self, seen: str) -> Updates:
        """Draw the table again when a policy, a comparison or an evaluation was added."""
        if (mark := self._mark()) == seen:
            return unchanged()
        policies = self.store.policies.all()
        met = head_to_head(self.store, "person")
        names = model_choices(reversed(policies))
        newest: dict[str, Any] = {"value": names[0][1]} if names and not seen else {}
        rows = [row(self.store, policy, met) for policy in in_family_order(policies)]
        return {self.seen: mark, self.table: rows, self.choice: gr.Dropdown(choices=names, **newest)}

    def choose(self, event: gr.SelectData) -> str:
        """Choose the policy of the row that was clicked."""
        return event.row_value[0]

    def show(self, chosen: str | None) -> str:
        """Draw the policy's lineage, and its newest answers beside its parent's."""
        return draw_policy(self.store, chosen or "")

    def queue_pairs(self, chosen: str | None) -> str:
        """Queue a sampling run that makes blind pairs of this policy and its parent for the labelers."""
        try:
            settings = against_parent(self.store, chosen or "")
            run = launch(self.store, "sample", settings, by=current_account().name)
        except BadInput as problem:
            return message_html(problem)
        return message_html(text("policies.queued", run=run.public))

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
