"""Data > Clinic: look at the instruction rows, have them rated, choose few, good and varied ones, and check that it helps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from data.errors import BadInput
from data.store import Store
from labeling.accounts.current import current_account
from labeling.rating.simulate import simulate_ratings
from rlhf.clinic.examination import Examination, examination_path
from rlhf.pages import clinic_map, clinic_view
from rlhf.pages.components import QUIET, WHERE, Looks, empty, heading, html, said
from rlhf.runs.launch import launch

COLOURS = ("cluster", "family", "source")
ALL = "all rows of the train split"
SIMULATED = 200


class ClinicPage:
    """The page's components and its handlers."""

    def __init__(self, store: Store, looks: Looks) -> None:
        self.store = store
        heading(
            "Data clinic",
            "Few, varied and good rows often teach a model more than many. Look at yours, choose, and check that it helps.",
        )
        self.steps = html()
        with gr.Row(elem_classes="line"):
            self.look = gr.Button("Look at the rows", scale=0, elem_id="clinic-look")
            self.simulate = gr.Button(
                f"Simulate {SIMULATED} ratings", scale=0, visible=False, elem_id="clinic-simulate"
            )
        self.told = html()
        html(value="<h2>Diversity: what there is</h2>")
        self.found = html()
        self.colour = gr.Radio(
            [(f"by {name}", name) for name in COLOURS],
            value="cluster",
            show_label=False,
            container=False,
            visible=False,
        )
        self.map, self.clusters = html("clinic-map"), html()
        html(value="<h2>Quality: what it is worth to learn from</h2>")
        self.quality = html()
        html(value="<h2>A recipe makes a snapshot</h2>")
        self.recipe = self._recipe()
        self.curate = gr.Button("Make the snapshot", scale=0, elem_id="clinic-curate")
        self.snapshots = html()
        html(value="<h2>A against B: same start, same steps</h2>")
        self.pair, self.judge = self._contest()
        self.run_ab = gr.Button("Train and judge both", scale=0, elem_id="clinic-ab")
        self.trials = html()
        html(value="<h2>Quantity: where more rows stop helping</h2>")
        with gr.Row(elem_classes="fields"):
            self.counts = gr.Textbox(
                "250,500,1000,2000,4000",
                label="sizes (rows), by comma",
                info="nested subsets; all rows are added",
                max_lines=1,
            )
        self.measure = gr.Button("Measure the curve", scale=0, elem_id="clinic-quantity")
        self.curve = html()
        self.where, self.seen, self.painted = (gr.Textbox(visible="hidden") for _ in range(3))
        self._wire(looks)

    def _recipe(self) -> dict[str, Any]:
        with gr.Row(elem_classes="fields"):
            rows = gr.Number(
                500, label="rows", info="0: all that are good enough", precision=0, minimum=0, min_width=140
            )
            points = gr.Number(
                3,
                label="min quality (points)",
                info="0 to 5; 0: quality does not count",
                minimum=0,
                maximum=5,
                min_width=180,
            )
            pick = gr.Dropdown(
                ["diverse", "random"],
                value="diverse",
                label="pick",
                info="diverse: k-centre; random: to compare with",
                min_width=180,
            )
            whose = gr.Dropdown(
                ["person", "simulated", "all"],
                value="person",
                label="ratings",
                info="whose quality is learned from",
                min_width=180,
            )
            name = gr.Textbox("", label="name", info="of the snapshot", max_lines=1, min_width=180)
        return {"rows": rows, "min_quality": points, "pick": pick, "ratings": whose, "name": name}

    def _contest(self) -> tuple[list[gr.Dropdown], gr.Dropdown]:
        with gr.Row(elem_classes="fields"):
            pair = [
                gr.Dropdown([(ALL, "")], value="", label=side, info="rows to train on", min_width=230) for side in "AB"
            ]
            judge = gr.Dropdown(
                [("the rubric", "")], value="", label="judge", info="the rubric, or a reward model", min_width=180
            )
        return pair, judge

    def _wire(self, looks: Looks) -> None:
        shown, keys = self.outputs(), list(self.recipe)
        gr.on(looks, self.tick, [self.where, self.seen, self.painted], shown, js=WHERE, **QUIET)
        self.colour.change(self.paint, self.colour, [self.map, self.painted], **QUIET)
        self.look.click(self.start_look, None, [self.told, *shown], **QUIET)
        self.simulate.click(self.start_ratings, None, [self.told, *shown], **QUIET)
        self.curate.click(self._positional("curate", keys), list(self.recipe.values()), [self.told, *shown], **QUIET)
        self.run_ab.click(
            self._positional("ab", ["a", "b", "reward"]), [*self.pair, self.judge], [self.told, *shown], **QUIET
        )
        self.measure.click(
            self._positional("quantity", ["counts", "reward"]), [self.counts, self.judge], [self.told, *shown], **QUIET
        )

    def outputs(self) -> list:
        """What `show` fills, in its order."""
        return [
            self.seen,
            self.steps,
            self.simulate,
            self.found,
            self.colour,
            self.map,
            self.clusters,
            self.quality,
            self.snapshots,
            *self.pair,
            self.judge,
            self.trials,
            self.curve,
            self.look,
            self.curate,
            self.run_ab,
        ]

    def tick(self, place: str, seen: str, colour: str) -> list:
        """While the page is on the screen: drawn again where something has changed."""
        if place.split("/")[0] != "#clinic" or self.mark() == seen:
            return [gr.skip()] * len(self.outputs())
        return self.show(colour)

    def mark(self) -> str:
        """Changes with everything that the page shows."""
        runs = [run for run in self.store.runs.all() if run.kind in ("embed", "curate", "ab", "quantity")]
        states = " ".join(f"{run.id}{run.state}" for run in runs)
        return f"{states} {self.store.ratings.counts()} {len(self.store.snapshots.all())} {len(self.store.reward_models.all())}"

    def show(self, colour: str) -> list:
        """The whole page."""
        embedded, quantity = (clinic_view.latest(self.store, kind) for kind in ("embed", "quantity"))
        snapshots = self.store.snapshots.all()
        rows = [snapshot for snapshot in reversed(snapshots) if snapshot.kind == "instructions"]
        choices = [
            (ALL, ""),
            *((f"{row.public} {row.name or ''} ({row.row_count:,} rows)", row.public) for row in rows),
        ]
        judges = [
            ("the rubric", ""),
            *((model.public, model.public) for model in reversed(self.store.reward_models.all())),
        ]
        starters = bool(self.store.instructions.all(split="train", source="starter", limit=1))
        drawing, clusters = self.draw(colour or COLOURS[0]) if embedded else ("", "")
        return [
            self.mark(),
            clinic_view.draw_steps(self.store),
            gr.Button(visible=starters),
            clinic_view.draw_examination(embedded),
            gr.Radio(visible=bool(embedded)),
            drawing,
            clusters,
            clinic_view.draw_quality(clinic_view.scored(self.store)),
            clinic_view.draw_snapshots(snapshots),
            *[gr.Dropdown(choices=choices)] * 2,
            gr.Dropdown(choices=judges),
            clinic_view.draw_trials(self.store.runs.all()),
            clinic_view.draw_curve(quantity),
            *self._accents(),
        ]

    def _accents(self) -> list[gr.Button]:
        """The button of the step that is due stands out; rating has a link instead."""
        due = clinic_view.due(self.store)
        return [gr.Button(variant="primary" if step == due else "secondary") for step in (0, 2, 3)]

    def draw(self, colour: str) -> tuple[str, str]:
        """The map and the table of clusters of the newest examination."""
        run = clinic_view.latest(self.store, "embed")
        place = examination_path(self.store, run.id)
        if not place.is_file():
            return empty("The vectors of that look are gone: look again."), ""
        examination = Examination.load(place.parent)
        there = {row.id: row for row in self.store.instructions.all(split="train")}
        families = {prompt.id: prompt.family for prompt in self.store.prompts.all(split="train")}
        rows = [there[int(id)] for id in examination.ids]
        tasks = [f"{row.instruction} {row.input}".strip() for row in rows]
        names = {
            "cluster": [str(cluster + 1) for cluster in examination.clusters.tolist()],
            "family": [families.get(row.prompt_id) or row.source for row in rows],
            "source": [row.source for row in rows],
        }
        return clinic_map.draw_map(examination, names[colour], tasks), clinic_map.draw_clusters(
            examination, names["family"], tasks
        )

    def paint(self, colour: str) -> list:
        """The map in other colours, and which: later looks keep to it."""
        return [self.draw(colour)[0], colour]

    def start_look(self) -> list:
        """Queue a look at the rows."""
        return self.start("embed", {})

    def start_ratings(self) -> list:
        """Let simulated raters rate some rows now."""
        try:
            given = simulate_ratings(self.store, ratings=SIMULATED, raters=2)
        except BadInput as problem:
            return [said(problem), *self.show("")]
        return [said(f"{given} simulated ratings. Choose ratings: simulated in the recipe."), *self.show("")]

    def start(self, kind: str, settings: dict) -> list:
        """Queue a run; a line says what came of it."""
        account = current_account()
        if settings.get("reward"):
            settings = settings | {"judge": "reward"}
        try:
            run = launch(self.store, kind, settings, by=account.name)
        except BadInput as problem:
            return [said(problem), *[gr.skip()] * len(self.outputs())]
        return [
            said(f"{run.public} is queued. Follow it on the Runs page; this page shows what it finds."),
            *[gr.skip()] * len(self.outputs()),
        ]

    def _positional(self, kind: str, keys: list[str]) -> Callable:
        """Return a handler that queues a run of `kind` with the values of `keys` as its settings."""

        def handler(*given: Any) -> list:
            return self.start(kind, dict(zip(keys, given, strict=True)))

        return handler
