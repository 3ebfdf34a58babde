# SPDX-License-Identifier: Apache-2.0
"""The Runs page: start a run, see the queue and the history, follow a run while it works, cancel it, resume it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zlib import crc32

import gradio as gr
from gradio.blocks import Block

from data.errors import BadInput
from data.ids import RUN
from data.records import Note, Run
from data.store import Store
from data.tables.notes import EMPTY
from labeling.accounts.current import current_account
from labeling.texts.pages import text
from labeling.texts.translate import Refusal
from reward.page import QUIET, Look, Updates, on_address
from reward.report.addresses import choose_address
from reward.report.view import message_html
from rlhf.kinds import start_command
from rlhf.pages.charts.document import read_runs
from rlhf.pages.components import heading, hidden, html, unchanged
from rlhf.pages.markup import empty
from rlhf.pages.runs import view as run_view
from rlhf.pages.runs.form import RunForm
from rlhf.pages.runs.log import RunLog
from rlhf.pages.runs.note_form import NoteForm
from rlhf.pages.runs.run_list import Filter, RunList, marks_of
from rlhf.pages.runs.start import StartPanel
from rlhf.runs import launch, supervisor
from rlhf.runs.disk_use import count_bytes, run_folder


class RunsPage:
    """The page's components and its handlers.

    The address says which run is on the screen. It may name others behind a comma: the charts show them too.
    """

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        heading("runs")
        with gr.Accordion(text("runs.start"), open=False, elem_id="start") as self.starting:
            self.panel = StartPanel(store)
        self.forms = self.panel.forms
        self.status = html()
        self.list = RunList(store)
        self.head = html("run-head")
        with gr.Row(elem_classes="line"):
            unseen: dict[str, Any] = {"visible": False, "scale": 0}
            self.cancel = gr.Button(text("runs.cancel"), min_width=140, elem_id="cancel-run", **unseen)
            self.resume = gr.Button(text("runs.resume"), min_width=140, elem_id="resume-run", **unseen)
            self.again = gr.Button(text("runs.again"), min_width=200, **unseen)
        self.note = NoteForm(store, "runs")
        html(value="<div id=charts></div>")  # the browser fills it
        self.samples, self.log = html(), RunLog(store)
        self._wire(look)

    def _wire(self, look: Look) -> None:
        self.chosen = hidden("chosen-run")
        self.seen, self.charted = hidden(), hidden()
        buttons = [self.cancel, self.resume, self.again]
        one = [self.seen, self.head, *buttons, self.charted, self.samples, *self.log.shown, *self.note.outputs()]
        acted = [self.status, self.chosen, *one]
        state = [
            self.chosen,
            self.seen,
            self.list.seen,
            self.note.seen,
            self.log.seen,
            self.log.words,
            *self.list.fields,
        ]
        on_address(
            "runs", [look, self.log.words.input, *self.list.events], self.refresh, state, [*self.list.shown, *one]
        )
        self.note.wire()
        on_address("runs", self.cancel.click, self.cancel_run, [self.chosen, self.note.seen], acted)
        on_address("runs", self.resume.click, self.resume_run, [self.chosen, self.note.seen], acted)
        self.chosen.change(None, self.chosen, None, js=choose_address("runs"), **QUIET)
        self.charted.change(None, self.charted, None, js="(charted) => showCharts(charted)", **QUIET)
        copied = [self.status, self.starting, *self.panel.copied_parts(self.forms)]
        on_address("runs", self.again.click, self.copy_settings, [self.chosen], copied)
        self.panel.wire(self.chosen)

    def refresh(
        self,
        chosen: str,
        seen: str,
        listed: str,
        noted: str = "",
        logged: str = "",
        words: str = "",
        *wanted: str | bool,
    ) -> Updates:
        """Draw again what changed, while the page is on the screen.

        `words` are sought in the log; `wanted` are the fields of the filter.
        """
        runs, notes = self.store.runs.all(), self.store.notes.all(RUN)
        rows = self.list.draw(runs, notes, listed, Filter.read(wanted))
        return {**rows, **self.draw(chosen, seen, noted, logged, words)} or unchanged()

    def draw(self, chosen: str, seen: str = "", noted: str = "", logged: str = "", words: str = "") -> Updates:
        """Return the chosen runs: the running one, or the newest, if none is chosen."""
        runs, notes = self.store.runs.all(), self.store.notes.all(RUN)
        try:
            shown = self._shown(chosen, runs)
        except BadInput as problem:
            return self.draw_nothing(message_html(problem))
        if not shown:
            return self.draw_nothing(empty(text("runs.none")))
        mark = crc32(repr((marks_of(runs), notes)).encode())
        note = notes.get(shown[0].id, EMPTY)
        around = {**self.note.show(shown[0].public, noted), **self.log.draw(shown[0], words, logged)}
        return {**around, **self.draw_runs(shown, note, seen, mark)}

    def draw_nothing(self, line: str) -> Updates:
        """Return the page without a run, and the line that says why."""
        buttons: Updates = dict.fromkeys((self.cancel, self.resume, self.again), gr.Button(visible=False))
        cleared: Updates = dict.fromkeys((self.charted, self.samples), "")
        return {self.seen: "none", self.head: line, **cleared, **buttons, **self.note.show("", ""), **self.log.clear()}

    def draw_runs(self, shown: list[Run], note: Note, seen: str, listed: int) -> Updates:
        """Return the first of these runs with its note, and all of them for the charts.

        Charts, samples and buttons come only if a run moved on or the list of runs, marked by `listed`, changed.
        """
        run, values = shown[0], " ".join(str(self.store.metrics.count(run.id)) for run in shown)
        charted = f"{','.join(run.public for run in shown)} {values} {listed}"
        unsent = self.store.webhook_deliveries.problem(run.id)
        mark = f"{charted} {run.state} {run.done} {run.cancel_requested} {unsent}"
        if mark == seen and run.state != "running":
            return {}
        size, used = count_bytes(run_folder(self.store, run)), self.store.metrics.usage(run.id)
        beside = run_view.Surroundings(size, note, used, unsent)
        moving: Updates = {self.head: run_view.draw_head(run, beside)}
        if mark == seen:
            return moving
        return {
            self.seen: mark,
            **moving,
            self.cancel: gr.Button(visible=not run.over),
            self.resume: gr.Button(visible=run.state in ("cancelled", "failed", "lost")),
            self.again: gr.Button(visible=run.kind in self.forms),
            self.charted: charted,
            self.samples: run_view.draw_samples(self.store, run),
        }

    def cancel_run(self, chosen: str, noted: str = "") -> Updates:
        """Ask the run to save and stop."""
        run = self._required(chosen)
        try:
            cancelled = self.store.runs.request_cancel(run.id)
        except BadInput as problem:
            return {self.status: message_html(problem), **self.draw(chosen, noted=noted)}
        supervisor.ensure(self.store.home)
        line = text("runs.unqueued" if cancelled.over else "runs.stopping", run=run.public)
        return {self.status: message_html(line, run.public), **self.draw(chosen, noted=noted)}

    def resume_run(self, chosen: str, noted: str = "") -> Updates:
        """Queue a run that continues from this one's checkpoint."""
        old = self._required(chosen)
        try:
            run = launch.resume(self.store, old.id, by=current_account().name)
        except BadInput as problem:
            return {self.status: message_html(problem), **self.draw(chosen, noted=noted)}
        line = message_html(text("runs.resumed", run=run.public, old=old.public), run.public, old.public)
        return {self.status: line, self.chosen: run.public}

    def copy_settings(self, chosen: str) -> Updates:
        """Put the run's settings into the form of its kind; a kind without a form is started by its command."""
        run = self._required(chosen)
        form: RunForm | None = self.forms.get(run.kind)
        if form is None:
            refusal = Refusal(
                "train.runs.no_form", run=run.public, command=f"preference-loop {start_command(run.kind)}"
            )
            return {self.status: message_html(refusal)}
        settings = launch.former_settings(run)
        names = ", ".join(key.replace("_", " ") for key in form.different(settings))
        said = text("runs.copied_different" if names else "runs.copied", run=run.public, names=names)
        return {self.status: message_html(said, run.public), **self.open_form(run.kind, settings)}

    def open_form(self, kind: str, settings: Mapping[str, Any]) -> Updates:
        """Open the form of this kind with these settings; its other fields stay as they are."""
        return {self.starting: gr.Accordion(open=True), **self.panel.copy(kind, settings)}

    def form_parts(self, kind: str) -> list[Block]:
        """Return the outputs of `open_form`."""
        return [self.starting, *self.panel.copied_parts([kind])]

    def open_page(self, given: Mapping[Block, Any]) -> Updates:
        """Read again what the forms offer and need; without any run the form is open."""
        updates = self.panel.refresh(given)
        return updates if self.store.runs.all() else {self.starting: gr.Accordion(open=True), **updates}

    def refreshed(self) -> list[Block]:
        """Return the outputs of `open_page`."""
        return [self.starting, *self.panel.refreshed()]

    def _shown(self, chosen: str, runs: list[Run]) -> list[Run]:
        """Return the chosen runs; the running one, or the newest, if none is chosen. Raise BadInput for others."""
        if chosen:
            return read_runs(self.store, chosen)
        return [run for run in runs if run.state == "running"][:1] or runs[:1]

    def _required(self, chosen: str) -> Run:
        """Return the first run on the screen. Raise gr.Error if there is none."""
        shown = self._shown(chosen, self.store.runs.all())
        if not shown:
            raise gr.Error(text("runs.none"))
        return shown[0]
