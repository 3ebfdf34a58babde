"""Runs: start one, see the queue and the history, follow one while it works, cancel it, resume it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from data.errors import BadInput
from data.ids import RUN, parse_id
from data.records import Run
from data.store import Store
from labeling.accounts.current import current_account
from rlhf.kinds import start_command
from rlhf.pages import run_view
from rlhf.pages.components import QUIET, WHERE, Looks, empty, heading, html, said
from rlhf.pages.run_form import RunForm, forms
from rlhf.runs import launch, supervisor


class RunsPage:
    """The page's components and its handlers."""

    def __init__(self, store: Store, looks: Looks) -> None:
        self.store = store
        heading(
            "Runs",
            "Everything that trains or samples. A run goes on when the browser is closed or the server restarted.",
        )
        with gr.Accordion("Start a run", open=False, elem_id="start") as self.starting:
            self.tabs, self.forms = forms(store)
        self.told = html()
        self.table = gr.Dataframe(
            headers=run_view.HEADERS, interactive=False, elem_id="runs-table", label="Queue and history"
        )
        self.head = html("run-head")
        with gr.Row(elem_classes="line"):
            self.cancel = gr.Button("Cancel", visible=False, scale=0, min_width=140, elem_id="cancel-run")
            self.resume = gr.Button("Resume", visible=False, scale=0, min_width=140, elem_id="resume-run")
            self.again = gr.Button("Start another like this", visible=False, scale=0, min_width=200)
        with gr.Row():
            self.plots = [_plot() for _ in range(run_view.PLOTS)]
        self.samples = html()
        self.log = html()
        self.where = gr.Textbox(visible="hidden")
        self.chosen = gr.Textbox(visible="hidden", elem_id="chosen-run")
        self.seen = gr.Textbox(visible="hidden")
        self.listed = gr.Textbox(visible="hidden")
        self._wire(looks)

    def _wire(self, looks: Looks) -> None:
        shown = self.outputs()
        gr.on(looks, self.tick, [self.where, self.chosen, self.seen, self.listed], shown, js=WHERE, **QUIET)
        self.table.select(self.choose, None, [self.chosen, *shown], **QUIET)
        self.cancel.click(self.ask_cancel, self.chosen, [self.told, *shown], **QUIET)
        self.resume.click(self.ask_resume, self.chosen, [self.told, self.chosen, *shown], **QUIET)
        fields = [field for form in self.forms.values() for field in form.fields.values()]
        self.again.click(self.another, self.chosen, [self.told, self.tabs, self.starting, *fields], **QUIET)
        for form in self.forms.values():
            form.wire(lambda: ["", *self.show("")], [self.chosen, *shown])

    def outputs(self) -> list:
        """What `show` fills, in its order."""
        return [
            self.listed,
            self.table,
            self.seen,
            self.head,
            self.cancel,
            self.resume,
            self.again,
            *self.plots,
            self.samples,
            self.log,
        ]

    def tick(self, place: str, chosen: str, seen: str, listed: str) -> list:
        """While the page is on the screen: only what changed."""
        if place.split("/")[0] != "#runs":
            return [gr.skip()] * len(self.outputs())
        return self.show(chosen, seen, listed)

    def show(self, chosen: str, seen: str = "", listed: str = "") -> list:
        """The list and the chosen run (the one at work, or the newest, where none is chosen)."""
        runs = self.store.runs.all()
        marks = " ".join(f"{run.id}{run.state}" for run in runs)
        table = [gr.skip(), gr.skip()] if marks == listed else [marks, run_view.table(runs)]
        run = self._chosen(chosen, runs)
        if run is None:
            nothing = empty("No run yet. Start one above: Sample gives the labelers their first pairs.")
            return [*table, "none", nothing, *[gr.Button(visible=False)] * 3, *[gr.skip()] * (run_view.PLOTS + 2)]
        return [*table, *self.detail(run, seen)]

    def detail(self, run: Run, seen: str) -> list:
        """One run; curves, samples and log only when they moved on."""
        mark = f"{run.id} {run.state} {run.done} {run.cancel_requested}"
        if mark == seen:
            left = run_view.head(run) if run.state == "running" else gr.skip()
            log = run_view.log_tail(self._folder(run)) if run.state == "running" else gr.skip()
            return [gr.skip(), left, *[gr.skip()] * (3 + run_view.PLOTS + 1), log]
        drawn = run_view.curves(self.store, run)
        plots = [_drawn(curve) for curve in drawn] + [gr.LinePlot(visible=False)] * (run_view.PLOTS - len(drawn))
        ended_early = run.state in ("cancelled", "failed", "lost")
        return [
            mark,
            run_view.head(run),
            gr.Button(visible=not run.over),
            gr.Button(visible=ended_early),
            gr.Button(visible=run.kind in self.forms),
            *plots,
            run_view.samples(self.store, run),
            run_view.log_tail(self._folder(run)),
        ]

    def choose(self, event: gr.SelectData) -> list:
        """A click on a row."""
        return [event.row_value[0], *self.show(event.row_value[0])]

    def ask_cancel(self, chosen: str) -> list:
        """Ask the run to save and stop."""
        run = self._chosen(chosen, self.store.runs.all())
        try:
            stopped = self.store.runs.request_cancel(run.id)
        except BadInput as problem:
            return [said(problem), *self.show(chosen)]
        supervisor.ensure(self.store.home)
        message = f"{run.public} was taken off the queue." if stopped.over else f"{run.public} saves and stops."
        return [said(message), *self.show(chosen)]

    def ask_resume(self, chosen: str) -> list:
        """Queue a run that goes on from this one's checkpoint."""
        account = current_account()
        old = self._chosen(chosen, self.store.runs.all())
        try:
            run = launch.resume(self.store, old.id, by=account.name)
        except BadInput as problem:
            return [said(problem), chosen, *self.show(chosen)]
        return [said(f"{run.public} goes on from {old.public}."), run.public, *self.show(run.public)]

    def another(self, chosen: str) -> dict[Any, Any]:
        """Put the run's settings into the form of its kind; a kind without a form is started by its command."""
        run = self._chosen(chosen, self.store.runs.all())
        form: RunForm | None = self.forms.get(run.kind)
        if form is None:
            problem = BadInput(
                f"no form starts a run like {run.public}",
                f"Start another one: preference-loop {start_command(run.kind)}",
            )
            return {self.told: said(problem)}
        message = said(f"The form above has the settings of {run.public}.")
        return {
            self.told: message,
            self.tabs: gr.Tabs(selected=run.kind),
            self.starting: gr.Accordion(open=True),
            **form.filled(run.settings),
        }

    def opened(self) -> dict[Any, Any]:
        """What is read again when a page is turned to: choices of models, what is missing; the form is open where it is the next thing."""
        updates = {field: value for form in self.forms.values() for field, value in form.fresh().items()}
        return updates if self.store.runs.all() else {self.starting: gr.Accordion(open=True), **updates}

    def changing(self) -> list:
        """The outputs of `opened`."""
        return [self.starting, *(component for form in self.forms.values() for component in form.changing())]

    def _chosen(self, chosen: str, runs: list[Run]) -> Run | None:
        if chosen:
            return self.store.runs.get(parse_id(chosen, RUN))
        return next((run for run in runs if run.state == "running"), runs[0] if runs else None)

    def _folder(self, run: Run) -> Any:
        return self.store.home / "runs" / str(run.id)


def _plot() -> gr.LinePlot:
    return gr.LinePlot(x="step", y="value", color="series", visible=False, height=230, min_width=300, x_title="step")


def _drawn(curve: run_view.Curve) -> gr.LinePlot:
    several = curve.frame["series"].nunique() > 1
    return gr.LinePlot(
        value=curve.frame,
        x="step",
        y="value",
        color="series" if several else None,
        title=curve.title,
        x_title="step",
        y_title=curve.unit,
        visible=True,
    )
