# SPDX-License-Identifier: Apache-2.0
"""The Arena page: every policy against one of them on the same test prompts, by a judge and by people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from data.errors import BadInput
from data.ids import POLICY, public_id
from data.records import Policy
from data.store import Store
from labeling.accounts.current import current_account
from labeling.texts.pages import text
from labeling.texts.translate import Refusal
from reward.page import QUIET, Look, Updates, on_address
from reward.report.addresses import choose_address, unknown
from reward.report.choices import model_choices
from reward.report.view import message_html
from rlhf.models.drivers import choose_driver
from rlhf.pages.arena_view import (
    COLUMNS,
    OPTIONAL,
    RANKING_COLUMNS,
    STANDARD,
    choose_columns,
    read_columns,
    view_arena,
)
from rlhf.pages.components import heading, hidden, html, kept_choice, table, unchanged, with_links
from rlhf.pages.markup import columns
from rlhf.runs.launch import launch

RUBRIC = "rubric"
PAIRS = 50
LINKED = ("policy",)
"""Columns that hold ids."""
KEPT = "arena_columns"
"""The name under which the browser keeps the columns of the table."""


class ArenaPage:
    """The page's components and its handlers. The address says which policy the others are compared with."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        heading("arena")
        self._add_choices()
        self.status = html()
        names = zip(columns("arena", OPTIONAL), OPTIONAL, strict=True)
        self.columns = gr.Dropdown(
            list(names),
            value=list(STANDARD),
            multiselect=True,
            label=text("arena.columns"),
            elem_id="arena-columns",
        )
        self.table = table("arena", COLUMNS, "arena-table", "arena.table", linked=LINKED)
        self.notes, self.plot = html("arena-notes"), html("arena-plot")
        self.ranks = table("arena", RANKING_COLUMNS, "arena-ranks", "arena.ranking", visible=False, linked=LINKED)
        self.ranking = html()
        self._wire(look)

    def _add_choices(self) -> None:
        free: dict[str, Any] = {
            "allow_custom_value": True
        }  # gradio checks values against the choices of the first refresh only
        with gr.Row(elem_classes="fields"):
            self.against = gr.Dropdown([], label=text("arena.against"), min_width=220, elem_id="arena-against", **free)
            self.judge = gr.Dropdown(
                [RUBRIC], value=RUBRIC, label=text("arena.judge"), min_width=140, elem_id="arena-judge", **free
            )
            self.chosen = gr.Dropdown(
                [], label=text("arena.policies"), multiselect=True, min_width=280, elem_id="arena-policies", **free
            )
        with gr.Row(elem_classes="line"):
            self.compare = gr.Button(
                text("arena.compare"), variant="primary", scale=0, min_width=220, elem_id="arena-compare"
            )
            self.people = gr.Button(
                text("arena.queue_pairs", pairs=PAIRS), scale=0, min_width=300, elem_id="arena-people"
            )

    def _wire(self, look: Look) -> None:
        self.opponent, self.seen = hidden(), hidden()
        drawn = [self.table, self.notes, self.plot, self.ranks, self.ranking]
        asked = [self.against, self.judge]
        shown = [self.seen, *asked, self.chosen, self.columns, *drawn]
        changes = [look, self.judge.input, self.columns.input]
        on_address("arena", changes, self.refresh, [self.opponent, self.seen, self.judge, self.columns], shown)
        self.columns.input(None, self.columns, None, js=f"(chosen) => keepChoice('{KEPT}', chosen.join('.'))", **QUIET)
        self.against.input(None, self.against, None, js=choose_address("arena"), **QUIET)
        self.compare.click(self.queue_comparison, [*asked, self.chosen], self.status, **QUIET)
        self.people.click(self.queue_pairs, [self.against, self.chosen], self.status, **QUIET)

    def refresh(self, opponent: str, seen: str, judge: str, chosen: Sequence[str] | None) -> Updates:
        """Draw everything again after another choice, or a new policy, reward model, comparison or evaluation.

        The first time the table has the columns that the browser keeps.
        """
        against = opponent or default_opponent(self.store, self.store.policies.all()) or ""
        judge = judge or RUBRIC
        chosen = chosen or [] if seen else read_columns(kept_choice(KEPT))
        if (mark := f"{self._mark()} {against} {judge} {'.'.join(chosen)}") == seen:
            return unchanged()
        columns: Updates = {} if seen else {self.columns: list(chosen)}
        return {self.seen: mark, **columns, **self.offer(against, judge), **self.draw(against, judge, chosen)}

    def offer(self, against: str, judge: str) -> Updates:
        """Return the policies and the judges to choose from."""
        names = model_choices(self.store.policies.all())
        known = against in [id for _, id in names]
        judges = [(RUBRIC, RUBRIC), *model_choices(self.store.reward_models.all())]
        return {
            self.against: gr.Dropdown(choices=names, value=against if known else None),
            self.judge: gr.Dropdown(choices=judges, value=judge),
            self.chosen: gr.Dropdown(choices=names),
        }

    def draw(self, against: str, judge: str, chosen: Sequence[str] = STANDARD) -> Updates:
        """Return the table of chosen columns, its notes and the plot by one judge, and people's ranking."""
        try:
            view = view_arena(self.store, against, judge)
        except BadInput as problem:
            known = any(policy.public == against for policy in self.store.policies.all())
            return {
                self.table: draw_table([], chosen),
                self.notes: message_html(problem if known else unknown("arena", against)),
                self.plot: "",
                self.ranks: gr.Dataframe(visible=False),
                self.ranking: "",
            }
        ranks = gr.Dataframe(value=with_links(RANKING_COLUMNS, view.ranks or [], LINKED), visible=bool(view.ranks))
        drawn: Updates = {self.table: draw_table(view.rows, chosen), self.notes: view.notes, self.plot: view.plot}
        return {**drawn, self.ranks: ranks, self.ranking: view.ranking}

    def queue_comparison(self, against: str, judge: str, chosen: Sequence[str] | None) -> str:
        """Queue a run in which the chosen policies answer the same test prompts and a judge compares the answers."""
        try:
            settings = comparison(self.store, against, judge, self._others(against, chosen))
            run = launch(self.store, "compare", settings, by=current_account().name)
        except BadInput as problem:
            return message_html(problem)
        return message_html(text("arena.comparison_queued", run=run.public), run.public)

    def queue_pairs(self, against: str, chosen: Sequence[str] | None) -> str:
        """Queue a sampling run for each chosen policy that makes blind pairs for the labelers."""
        try:
            wanted = [{"from": name, "against": against, "prompts": PAIRS} for name in self._others(against, chosen)]
            runs = [launch(self.store, "sample", settings, by=current_account().name) for settings in wanted]
        except BadInput as problem:
            return message_html(problem)
        ids = [run.public for run in runs]
        return message_html(text("arena.pairs_queued", runs=", ".join(ids)), *ids)

    def _others(self, against: str, chosen: Sequence[str] | None) -> list[str]:
        """Return the chosen policies, or all but the opponent. Raise BadInput if none is left."""
        policies = chosen or [policy.public for policy in self.store.policies.all()]
        others = [name for name in policies if name != against]
        if not others:
            raise Refusal("train.arena.no_other")
        return others

    def _mark(self) -> str:
        """Return a mark that changes with everything the page shows."""
        store = self.store
        counts = (store.policies.count(), store.reward_models.count(), store.comparisons.count())
        return " ".join(map(str, (*counts, len(store.evaluations.all()))))


def draw_table(rows: Sequence[Sequence[str]], chosen: Sequence[str]) -> gr.Dataframe:
    """Return the table with the chosen columns."""
    names, cells = choose_columns(rows, chosen)
    types: Any = ["html" if name in LINKED else "str" for name in names]
    return gr.Dataframe(value=with_links(names, cells, LINKED), headers=columns("arena", names), datatype=types)


def comparison(store: Store, against: str, judge: str, policies: Sequence[str]) -> dict[str, str]:
    """Return the settings of a comparison; if the rubric judges, the default driver scores the answers too."""
    driver = choose_driver(store)
    reward = judge if judge != RUBRIC else (driver.model.public if driver else "")
    return {
        "policies": ",".join(policies),
        "against": against,
        "judge": RUBRIC if judge == RUBRIC else "reward",
        "reward": reward,
    }


def default_opponent(store: Store, policies: Sequence[Policy]) -> str | None:
    """Return the policy that most evaluations are against; else the newest policy's parent, or the first policy."""
    opponents = [evaluation.against_id for evaluation in store.evaluations.all() if evaluation.against_id is not None]
    if opponents:
        return public_id(POLICY, max(set(opponents), key=opponents.count))
    parents = [policy.parent_id for policy in policies if policy.parent_id is not None]
    if parents:
        return public_id(POLICY, parents[-1])
    return policies[0].public if policies else None
