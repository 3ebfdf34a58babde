"""Labels: how far labelers agree, each labeler's figures, and the pairs on which people disagree."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import gradio as gr

from data.errors import BadInput
from data.store import Store
from data.tables.labeler_weights import Weighting
from labeling.accounts.current import current_account
from labeling.accounts.management import audit_name
from labeling.quality.cached_overview import CachedOverview, OverviewState
from labeling.quality.overview import KINDS, Overview, weigh
from rlhf.pages import labels_view as view
from rlhf.pages.components import QUIET, WHERE, Looks, empty, heading, html, said
from rlhf.pages.disputes import Disputes

T = TypeVar("T")
NAMES = {"people": "people and imports", "simulated": "simulated labelers"}


class LabelsPage:
    """The page's components and its handlers. What is on the screen is told by the page, never kept here."""

    def __init__(self, store: Store, looks: Looks) -> None:
        self.store, self.live = store, CachedOverview(store)
        heading("Labels", "How far labelers agree, how each of them works, and the pairs on which people disagree.")
        choices = [(NAMES[kind], kind) for kind in KINDS]
        with gr.Row(elem_classes="line"):
            self.kind = gr.Dropdown(
                choices, value="people", label="Whose labels", elem_id="labels-kind", scale=0, min_width=260
            )
        self.summary = html("labels-summary")
        html(value="<h2>Disputed pairs</h2>")
        Disputes(store, looks)
        self._labelers()
        self._agreement()
        self.where, self.seen = gr.Textbox(visible="hidden"), gr.Textbox(visible="hidden")
        drawn = [self.seen, self.summary, self.groups, self.matrix, self.labelers, self.notes, self.who]
        gr.on([*looks, self.kind.change], self.tick, [self.where, self.seen, self.kind], drawn, js=WHERE, **QUIET)

    def tick(self, place: str, seen: str, kind: str) -> list:
        """The figures again where something was said since; large ones come when they are ready."""
        if place.split("/")[0] != "#labels":
            return [gr.skip()] * 7
        look = self.live.read(kind)
        if look.mark == seen or look.overview is None:
            waiting = (
                "<div class=empty>Reading the comparisons; this page fills in some seconds.</div>"
                if look.overview is None
                else gr.skip()
            )
            return [gr.skip(), waiting, *[gr.skip()] * 5]
        return self._draw(look)

    def set_aside(self, name: str | None, reason: str) -> str:
        """Leave a labeler's comparisons out of exports and training."""
        done = f"{name} is set aside: no export of preferences and no training takes these comparisons. They stay, and raw events have them, marked."
        return self._told(
            lambda by: self.store.excluded_labelers.exclude(name or "", reason or "", by=by), lambda _: done
        )

    def take_in(self, name: str | None, reason: str) -> str:
        """Let a labeler's comparisons count again."""
        done = f"{name}'s comparisons count again."
        return self._told(
            lambda by: self.store.excluded_labelers.include(name or "", reason or "", by=by), lambda _: done
        )

    def weigh(self, kind: str) -> str:
        """A new version of the labelers' weights."""
        return self._told(lambda by: weigh(self.store, KINDS[kind], by=by), weighed)

    def _told(self, act: Callable[[str], T], tell: Callable[[T], str]) -> str:
        """What a researcher's act did, or why it could not be done; `act` is given who does it."""
        account = current_account()
        try:
            return said(tell(act(audit_name(account))))
        except BadInput as problem:
            return said(problem)

    def _draw(self, look: OverviewState) -> list:
        found = look.overview
        groups, rows = view.group_rows(found.groups), view.labeler_rows(found)
        names = [row[0] for row in rows]
        return [
            look.mark,
            view.summary(found, self._others(found), look.since),
            gr.Dataframe(groups, visible=bool(groups)),
            view.matrix(found),
            gr.Dataframe(view.without_empty(view.LABELERS, rows), visible=bool(rows)),
            view.leaning(found) + view.downloads(found)
            if rows
            else empty("Nobody has compared anything yet.", view.LABEL, "Label"),
            gr.Dropdown(choices=names),
        ]

    def _others(self, found: Overview) -> int:
        return 0 if found.labelers else self.store.comparisons.count() + self.store.rankings.count()

    def _agreement(self) -> None:
        html(value="<h2>Labelers two by two</h2>")
        self.matrix = html("labels-matrix")
        by = "Agreement by project, guideline version and batch; 95 % intervals by pair"
        self.groups = gr.Dataframe(
            headers=view.GROUPS, interactive=False, visible=False, elem_id="labels-groups", label=by
        )

    def _labelers(self) -> None:
        html(value="<h2>Labelers</h2>")
        self.labelers = gr.Dataframe(
            headers=view.LABELERS, interactive=False, visible=False, elem_id="labels-table", label="95 % intervals"
        )
        self.notes = html("labels-notes")
        with gr.Row(elem_classes="fields"):
            self.who = gr.Dropdown(
                [],
                value=None,
                label="Labeler",
                info="whose comparisons are to be left out, or in again",
                elem_id="aside-who",
            )
            reason = gr.Textbox(label="Reason", info="stands in the audit list", max_lines=1, elem_id="aside-reason")
        with gr.Row(elem_classes="line"):
            aside = gr.Button("Set aside", scale=0, elem_id="set-aside")
            again = gr.Button("Take in again", scale=0, elem_id="take-in")
            work_out = gr.Button("Work out weights", scale=0, elem_id="weigh")
        told = html("labels-told")
        aside.click(self.set_aside, [self.who, reason], told, **QUIET)
        again.click(self.take_in, [self.who, reason], told, **QUIET)
        work_out.click(self.weigh, self.kind, told, **QUIET)


def weighed(made: Weighting) -> str:
    """What came of working out weights, and how training takes them."""
    return f"Weights worked out from {made.votes:,} votes on shared pairs. Reward training uses weights with weights = reliability."
