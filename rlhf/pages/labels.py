# SPDX-License-Identifier: Apache-2.0
"""The Labels page: agreement, each labeler's figures, exclusions and weights, and the disputed pairs."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from data.errors import BadInput
from data.store import Store
from labeling.accounts.current import current_account
from labeling.accounts.management import audit_name
from labeling.quality.cached_figures import PATIENCE, read_figures
from labeling.quality.figures_process import process_of
from labeling.quality.overview import KINDS, Overview
from labeling.quality.weighting import store_weights
from labeling.texts.pages import bad_input, text
from reward.page import QUIET, Look, Updates
from reward.report.view import message_html
from rlhf.pages import labels_view as view
from rlhf.pages.components import choices, heading, hidden, html, subheading, table, unchanged
from rlhf.pages.disputes import Disputes
from rlhf.pages.labels_tables import GROUPS, LABELERS, draw_downloads, group_rows, labeler_rows, without_empty
from rlhf.pages.markup import columns, empty, esc
from rlhf.pages.next_step import LABEL_PAGE


class LabelsPage:
    """The page's components and its handlers. The browser sends what is on the screen; the server does not store it."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        heading("labels")
        with gr.Row(elem_classes="line"):
            kinds = choices("labels", KINDS)
            self.kind = gr.Dropdown(
                kinds, value="people", label=text("labels.kind"), elem_id="labels-kind", scale=0, min_width=260
            )
        self.summary = html("labels-summary")
        subheading("labels.disputed")
        Disputes(store, look)
        self._add_labelers()
        self._add_agreement()
        self.seen = hidden()
        drawn = [self.seen, self.summary, self.groups, self.matrix, self.labelers, self.notes, self.who]
        events = [look, self.kind.change]
        gr.on(events, self.refresh, [self.seen, self.kind], drawn, **QUIET)

    def _add_labelers(self) -> None:
        subheading("labels.labelers")
        self.labelers = table("labels", LABELERS, "labels-table", "labels.labelers_table", visible=False)
        self.notes = html("labels-notes")
        with gr.Row(elem_classes="fields"):
            self.who = gr.Dropdown(
                [], value=None, label=text("labels.labeler"), info=text("labels.labeler_info"), elem_id="aside-who"
            )
            reason = gr.Textbox(
                label=text("labels.reason"), info=text("labels.reason_info"), max_lines=1, elem_id="aside-reason"
            )
        with gr.Row(elem_classes="line"):
            exclude = gr.Button(text("labels.exclude"), scale=0, elem_id="set-aside")
            include = gr.Button(text("labels.include"), scale=0, elem_id="take-in")
            weights = gr.Button(text("labels.compute_weights"), scale=0, elem_id="weigh")
        self.status = html("labels-told")
        exclude.click(self.exclude, [self.who, reason], self.status, **QUIET)
        include.click(self.include, [self.who, reason], self.status, **QUIET)
        weights.click(self.compute_weights, self.kind, self.status, **QUIET)

    def _add_agreement(self) -> None:
        subheading("labels.matrix")
        self.matrix = html("labels-matrix")
        self.groups = table("labels", GROUPS, "labels-groups", "labels.groups", visible=False)

    def refresh(self, seen: str, kind: str) -> Updates:
        """Draw the figures again if there are newer ones. Labels that they lack change a line alone.

        Another process computes them: see `labeling.quality.figures_process`.
        """
        kind = kind if kind in KINDS else next(iter(KINDS))
        state = read_figures(self.store, kind, patience=PATIENCE)
        if state.figures is None:
            failed = bad_input("refused.figures_failed", status=state.failure)
            shown = message_html(failed) if state.failure else f"<div class=empty>{esc(text('labels.reading'))}</div>"
            return {self.summary: shown}
        mark, lacks = f"{kind} {list(state.mark.values())}", f"{state.since} {state.new}"
        if seen == f"{mark}|{lacks}":
            return unchanged()
        line: Updates = {
            self.seen: f"{mark}|{lacks}",
            self.summary: view.draw_summary(state.figures, self._others(state.figures), state.since, state.new),
        }
        return line if seen.split("|")[0] == mark else self._draw(state.figures) | line

    def exclude(self, name: str | None, reason: str) -> str:
        """Exclude a labeler's comparisons from exports and training."""
        done = text("labels.excluded", name=name)
        return self._act(lambda by: self.store.excluded_labelers.exclude(name or "", reason or "", by=by), done)

    def include(self, name: str | None, reason: str) -> str:
        """Include a labeler's comparisons again."""
        done = text("labels.included", name=name)
        return self._act(lambda by: self.store.excluded_labelers.include(name or "", reason or "", by=by), done)

    def compute_weights(self, kind: str) -> str:
        """Compute a new version of the labelers' weights."""
        kind = kind if kind in KINDS else next(iter(KINDS))
        process, name = process_of(self.store), f"weights {kind}"
        try:
            weighting = store_weights(self.store, KINDS[kind], process.compute(name), by=audit_name(current_account()))
        except BadInput as problem:
            return message_html(problem)
        except RuntimeError:
            return message_html(bad_input("refused.figures_failed", status=process.failures.get(name, 0)))
        return message_html(text("labels.weights_computed", votes=weighting.votes))

    def _act(self, act: Callable[[str], object], done: str) -> str:
        """Run `act` on behalf of the researcher; return `done`, or why it failed, as the line to show."""
        try:
            act(audit_name(current_account()))
        except BadInput as problem:
            return message_html(problem)
        return message_html(done)

    def _draw(self, overview: Overview) -> Updates:
        groups, rows = group_rows(overview.groups), labeler_rows(overview)
        notes = view.position_bias(overview) + draw_downloads(overview)
        shown = without_empty(columns("labels", LABELERS), rows)
        return {
            self.groups: gr.Dataframe(groups, visible=bool(groups)),
            self.matrix: view.draw_matrix(overview),
            self.labelers: gr.Dataframe(shown, visible=bool(rows)),
            self.notes: notes if rows else empty(text("labels.no_labels"), LABEL_PAGE, text("link.label")),
            self.who: gr.Dropdown(choices=[str(row[0]) for row in rows]),
        }

    def _others(self, overview: Overview) -> int:
        """Return the number of labels of the other kind, if there are none of this kind."""
        return 0 if overview.labelers else self.store.comparisons.count() + self.store.rankings.count()
