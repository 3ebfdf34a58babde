# SPDX-License-Identifier: Apache-2.0
"""The Clinic page: examine and rate the instruction rows, choose a snapshot by a recipe, and check that it helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import gradio as gr
from gradio.blocks import Block

from data.errors import BadInput
from data.records import Snapshot
from data.store import Store
from labeling.accounts.current import current_account
from labeling.rating.simulate import simulate_ratings
from labeling.texts.pages import text
from reward.page import QUIET, Look, Updates
from reward.report.choices import model_choices
from reward.report.view import message_html
from rlhf.pages import clinic_view
from rlhf.pages.clinic_fields import COLOURS, Forms, add_contest, add_recipe, add_sizes
from rlhf.pages.clinic_map import draw_examined
from rlhf.pages.components import choices, heading, hidden, html, subheading, unchanged
from rlhf.runs.launch import launch

SIMULATED = 200
RUNS = ("embed", "curate", "ab", "quantity")
"""Kinds of run whose results the page shows."""


class ClinicPage:
    """The page's components and its handlers."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        heading("clinic")
        self.steps = html()
        self._add_examination()
        subheading("clinic.quality")
        self.quality = html()
        self._add_forms()
        self._wire(look)

    def _add_examination(self) -> None:
        with gr.Row(elem_classes="line"):
            self.examine = gr.Button(text("clinic.examine"), scale=0, elem_id="clinic-look")
            self.simulate = gr.Button(
                text("clinic.simulate", n=SIMULATED), scale=0, visible=False, elem_id="clinic-simulate"
            )
        self.status = html()
        subheading("clinic.diversity")
        self.examined = html()
        colours = choices("clinic", COLOURS)
        self.colour = gr.Radio(colours, value=COLOURS[0], show_label=False, container=False, visible=False)
        self.map, self.clusters = html("clinic-map"), html()

    def _add_forms(self) -> None:
        subheading("clinic.recipe")
        recipe = add_recipe()
        self.curate = gr.Button(text("clinic.curate"), scale=0, elem_id="clinic-curate")
        self.snapshots = html()
        subheading("clinic.contest")
        contest = add_contest()
        self.run_ab = gr.Button(text("clinic.run_ab"), scale=0, elem_id="clinic-ab")
        self.trials = html()
        subheading("clinic.quantity")
        sizes = add_sizes()
        self.measure = gr.Button(text("clinic.measure"), scale=0, elem_id="clinic-quantity")
        self.curve = html()
        self.forms: Forms = {"curate": recipe, "ab": contest, "quantity": {**sizes, "reward": contest["reward"]}}

    def _wire(self, look: Look) -> None:
        self.seen, self.painted = hidden(), hidden()
        contest = self.forms["ab"].values()
        drawn = [self.steps, self.examined, self.map, self.clusters, self.quality, self.snapshots, self.trials]
        buttons = [self.examine, self.simulate, self.curate, self.run_ab]
        shown = [self.seen, *drawn, self.curve, self.colour, *contest, *buttons]
        gr.on(look, self.refresh, [self.seen, self.painted], shown, **QUIET)
        self.colour.change(self.paint, self.colour, [self.map, self.painted], **QUIET)
        self.examine.click(self.start_examination, None, self.status, **QUIET)
        self.simulate.click(self.add_ratings, None, [self.status, *shown], **QUIET)
        for kind, button in (("curate", self.curate), ("ab", self.run_ab), ("quantity", self.measure)):
            button.click(self._handler(kind), set(self.forms[kind].values()), self.status, **QUIET)

    def refresh(self, seen: str, colour: str) -> Updates:
        """Draw the page again when anything on it changed."""
        if self._mark() == seen:
            return unchanged()
        return self.draw(colour)

    def draw(self, colour: str) -> Updates:
        """Return the whole page; `colour`: the colours of the map."""
        store, runs = self.store, self.store.runs.all()
        snapshots = store.snapshots.all()
        return {
            self.seen: self._mark(),
            self.steps: clinic_view.draw_steps(store),
            **self.draw_examination(colour),
            self.quality: clinic_view.draw_quality(clinic_view.newest_scores(store)),
            self.snapshots: clinic_view.draw_snapshots(snapshots),
            self.trials: clinic_view.draw_trials(runs),
            self.curve: clinic_view.draw_curve(clinic_view.newest_run(store, "quantity")),
            **self._choices(snapshots),
            **self._buttons(),
        }

    def draw_examination(self, colour: str) -> Updates:
        """Return the newest examination: its facts, its map and its clusters."""
        run = clinic_view.newest_run(self.store, "embed")
        drawing, clusters = draw_examined(self.store, run, colour or COLOURS[0]) if run else ("", "")
        return {
            self.examined: clinic_view.draw_examination(run),
            self.colour: gr.Radio(visible=run is not None),
            self.map: drawing,
            self.clusters: clusters,
        }

    def paint(self, colour: str) -> Updates:
        """Draw the map in other colours; later refreshes use them too."""
        run = clinic_view.newest_run(self.store, "embed")
        return {self.map: draw_examined(self.store, run, colour)[0] if run else "", self.painted: colour}

    def start_examination(self) -> str:
        """Queue an examination of the rows."""
        return self.start("embed", {})

    def add_ratings(self) -> Updates:
        """Let simulated raters rate some rows now."""
        try:
            count = simulate_ratings(self.store, ratings=SIMULATED, raters=2)
        except BadInput as problem:
            return {self.status: message_html(problem)}
        return {self.status: message_html(text("clinic.simulated", n=count)), **self.draw("")}

    def start(self, kind: str, settings: dict[str, object]) -> str:
        """Queue a run and return the line to show."""
        judge = {"judge": "reward"} if settings.get("reward") else {}
        try:
            run = launch(self.store, kind, settings | judge, by=current_account().name)
        except BadInput as problem:
            return message_html(problem)
        return message_html(text("clinic.queued", run=run.public), run.public)

    def _handler(self, kind: str) -> Callable[[Mapping[Block, object]], str]:
        def start(given: Mapping[Block, object]) -> str:
            return self.start(kind, {key: given[field] for key, field in self.forms[kind].items()})

        return start

    def _choices(self, snapshots: list[Snapshot]) -> Updates:
        """Return the snapshots and the judges to choose from, newest first."""
        rows = [snapshot for snapshot in reversed(snapshots) if snapshot.kind == "instructions"]
        named = [
            (text("clinic.snapshot", id=row.public, name=row.name or "", rows=row.row_count), row.public)
            for row in rows
        ]
        sides = gr.Dropdown(choices=[(text("clinic.all_rows"), ""), *named])
        rewards = model_choices(reversed(self.store.reward_models.all()))
        judges = gr.Dropdown(choices=[(text("clinic.rubric"), ""), *rewards])
        contest = self.forms["ab"]
        return {contest["a"]: sides, contest["b"]: sides, contest["reward"]: judges}

    def _buttons(self) -> Updates:
        """Return the buttons, the due step's one primary; ratings are simulated for the starter's rows only."""
        due = clinic_view.due_step(self.store)
        starter = bool(self.store.instructions.all(split="train", source="starter", limit=1))
        buttons = {"examine": self.examine, "choose": self.curate, "check": self.run_ab}
        accents: Updates = {
            button: gr.Button(variant="primary" if step == due else "secondary") for step, button in buttons.items()
        }
        return {**accents, self.simulate: gr.Button(visible=starter)}

    def _mark(self) -> str:
        """Return a mark that changes with everything the page shows."""
        store = self.store
        states = " ".join(f"{run.id}{run.state}" for run in store.runs.all() if run.kind in RUNS)
        return f"{states} {store.ratings.counts()} {len(store.snapshots.all())} {store.reward_models.count()}"
