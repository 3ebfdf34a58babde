# SPDX-License-Identifier: Apache-2.0
"""The Live page: start an online run, see what it learns while people label, stop it and resume it."""

from __future__ import annotations

from threading import Lock

import gradio as gr
from gradio.components import Component

from data.errors import BadInput
from data.records import Run
from data.settings import describe
from data.store import Store
from labeling.accounts.current import current_account
from labeling.texts.pages import text
from reward.page import QUIET, Look, Updates, setting_field
from reward.report.choices import policy_names
from reward.report.view import message_html
from rlhf.kinds import KINDS
from rlhf.pages.components import heading, hidden, html, subheading, unchanged
from rlhf.pages.live.state import KIND, can_resume, find_mark, find_run, read_state
from rlhf.pages.live.view import draw_change, draw_empty, draw_figures, draw_published, draw_run, draw_verdict
from rlhf.pages.markup import esc
from rlhf.pages.runs.form import model_field
from rlhf.runs import launch, supervisor
from rlhf.runs.resolve import shown_defaults

FIELDS = ("from", "labels", "max_labels")
"""The settings that the page's own form asks for."""


class LivePage:
    """The page's components and its handlers."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        self.starting = Lock()  # a second click waits, and then sees the run of the first one
        heading("live")
        self.status, self.run = html("live-status"), html("live-run")
        with gr.Row(elem_classes="line"):
            self.stop = gr.Button(text("live.stop"), visible=False, scale=0, elem_id="live-stop")
            self.resume = gr.Button(text("live.resume"), visible=False, scale=0, elem_id="live-resume")
        self.stop_note = html()
        self.verdict, self.figures, self.change = html("live-verdict"), html("live-figures"), html("live-change")
        with gr.Column(visible=False) as self.form:
            self._add_form()
        self.seen = hidden()
        self.drawn = [self.run, self.stop, self.resume, self.stop_note, self.verdict, self.figures, self.change]
        self.drawn += [self.form, self.fields["from"], self.seen]
        self._wire(look)

    def _add_form(self) -> None:
        subheading("live.start_title")
        settings = {setting.key: setting for setting in describe(KINDS[KIND].settings_class())}
        with gr.Row(elem_classes="fields"):
            self.fields = {
                key: setting_field(KIND, settings[key], ("from",), min_width=200, elem_id=f"live-{key}")
                for key in FIELDS
            }
        html(value=f"<p class=soft>{esc(text('live.defaults'))} <a href='#runs'>{esc(text('link.runs'))}</a></p>")
        self.start = gr.Button(text("live.start"), variant="primary", scale=0, min_width=220, elem_id="live-start")
        self.refused = html("live-refused")

    def _wire(self, look: Look) -> None:
        gr.on(look, self.refresh, self.seen, self.drawn, **QUIET)
        acted = [self.status, *self.drawn]
        self.start.click(self.start_run, list(self.fields.values()), [self.refused, *acted], **QUIET)
        self.stop.click(self.stop_run, None, acted, **QUIET)
        self.resume.click(self.resume_run, None, acted, **QUIET)

    def refresh(self, seen: str) -> Updates:
        """Draw the newest run again if anything that the page shows has changed, and offer policies that are new."""
        run = find_run(self.store)
        policies, mark = f"{self.store.policies.count()}", find_mark(self.store, run)
        if seen == f"{policies} {mark}":
            return unchanged()
        updates: Updates = {self.seen: f"{policies} {mark}", **self.draw(run)}
        if seen.split(" ")[0] != policies:
            updates[self.fields["from"]] = _policy_field(self.store)
        return updates

    def draw(self, run: Run | None) -> Updates:
        """Return the run with its figures, or the empty state, and the buttons that fit."""
        active = run is not None and not run.over
        around: Updates = {
            self.stop: gr.Button(visible=active),
            self.stop_note: f"<p class=soft>{esc(text('live.stop_note'))}</p>" if active else "",
            self.resume: gr.Button(visible=run is not None and can_resume(self.store, run)),
            self.form: gr.Column(visible=not active),
        }
        if run is None:
            return {self.run: draw_empty(), **dict.fromkeys((self.verdict, self.figures, self.change), ""), **around}
        state = read_state(self.store, run)
        return {
            self.run: draw_run(state),
            self.verdict: draw_verdict(state),
            self.figures: draw_figures(state),
            self.change: draw_published(state) + draw_change(state.change),
            **around,
        }

    def start_run(self, *values: object) -> Updates:
        """Queue an online run with the form's settings, unless one is queued or works."""
        settings = {key: value for key, value in zip(FIELDS, values, strict=True) if value is not None}
        with self.starting:
            run = find_run(self.store)
            if run is not None and not run.over:
                return self._answer(message_html(text("live.active", run=run.public), run.public))
            try:
                run = launch.launch(self.store, KIND, settings, by=current_account().name)
            except BadInput as problem:
                return {self.refused: message_html(problem)}
        return {self.refused: "", **self._answer(message_html(text("runs.queued", run=run.public), run.public))}

    def stop_run(self) -> Updates:
        """Ask the newest run to publish and stop."""
        run = find_run(self.store)
        if run is None:
            return self.refresh("")
        try:
            run = self.store.runs.request_cancel(run.id)
        except BadInput as problem:
            return self._answer(message_html(problem))
        supervisor.ensure(self.store.home)
        line = text("runs.unqueued" if run.over else "live.stopping", run=run.public)
        return self._answer(message_html(line, run.public))

    def resume_run(self) -> Updates:
        """Queue a run that continues the newest one."""
        with self.starting:
            old = find_run(self.store)
            if old is None:
                return self.refresh("")
            try:
                run = launch.resume(self.store, old.id, by=current_account().name)
            except BadInput as problem:
                return self._answer(message_html(problem))
        line = message_html(text("runs.resumed", run=run.public, old=old.public), run.public, old.public)
        return self._answer(line)

    def _answer(self, line: str) -> Updates:
        """Return the line beside the page as the store is now."""
        return {self.status: line, **self.refresh("")}


def _policy_field(store: Store) -> Component:
    """Return the list of policies to start from, on the default."""
    default = shown_defaults(store, KINDS[KIND]).get("from")
    return model_field([(name, name) for name in policy_names(store)], default, default.value if default else "")
