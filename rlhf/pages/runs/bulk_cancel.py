# SPDX-License-Identifier: Apache-2.0
"""Cancel several runs at once. A run that cannot be cancelled stops none of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import gradio as gr

from data.errors import BadInput
from data.ids import RUN, parse_id
from data.records import Note, Run
from data.store import Store
from data.tables.notes import EMPTY
from labeling.texts.pages import text
from labeling.texts.reader import reader_language
from reward.page import QUIET, Updates
from reward.report.view import message_html
from rlhf.kinds import kind_title
from rlhf.pages.components import html
from rlhf.runs import supervisor

LOOK = "() => document.querySelector('#look-runs').click()"


class BulkCancel:
    """The fold with the choice and the button, and the line on the result, which stays when the fold is gone.

    The fold is there if at least two runs are queued or running.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        with gr.Accordion(text("runs.bulk"), open=False, visible=False, elem_id="bulk-cancel") as self.fold:
            # A run that ends while it is chosen stays chosen: the line then says that it was done.
            self.choice = gr.Dropdown(
                [],
                multiselect=True,
                allow_custom_value=True,
                label=text("runs.bulk_choice"),
                elem_id="cancel-choice",
            )
            with gr.Row(elem_classes="line"):
                every = gr.Button(text("runs.bulk_all"), scale=0, elem_id="choose-all-runs")
                button = gr.Button(text("runs.bulk_cancel"), scale=0, elem_id="cancel-chosen")
        self.status = html("cancel-status")
        self.shown = [self.fold, self.choice]
        every.click(self.choose_all, None, [self.choice], **QUIET)
        done = button.click(self.cancel, [self.choice], [self.status, self.choice], **QUIET)
        done.then(None, None, None, js=LOOK, **QUIET)

    def draw(self, runs: Sequence[Run], notes: Mapping[int, Note]) -> Updates:
        """Offer the runs that have not ended, the one that starts first at the top."""
        waiting = [run for run in reversed(runs) if not run.over]
        choices = [(_describe(run, notes.get(run.id, EMPTY)), run.public) for run in waiting]
        return {self.fold: gr.Accordion(visible=len(waiting) > 1), self.choice: gr.Dropdown(choices=choices)}

    def choose_all(self) -> list[str]:
        """Return the runs that have not ended."""
        return [run.public for run in reversed(self.store.runs.all()) if not run.over]

    def cancel(self, chosen: list[str] | None) -> Updates:
        """Cancel the chosen runs and say in one line what became of each."""
        if not chosen:
            return {self.status: message_html(text("runs.bulk_none"))}
        line = describe_cancellation(cancel_runs(self.store, chosen))
        return {self.status: message_html(line, *chosen), self.choice: []}


def _describe(run: Run, note: Note) -> str:
    names = (run.public, kind_title(run.kind), note.name, text(f"runs.state_{run.state}"))
    return " · ".join(name for name in names if name)


class Cancellation(NamedTuple):
    """The ids of the runs that left the queue, of those that save and stop, and of the others with the reason."""

    removed: list[str]
    stopping: list[str]
    refused: dict[str, str]


def cancel_runs(store: Store, names: Sequence[str]) -> Cancellation:
    """Ask these runs to stop, the newest first: so none of them starts when the one before it ends."""
    outcome = Cancellation([], [], {})
    numbers = {}
    for name in names:
        try:
            numbers[parse_id(name, RUN)] = name
        except BadInput as problem:
            outcome.refused[name] = _reason(problem)
    for number in sorted(numbers, reverse=True):
        try:
            run = store.runs.request_cancel(number)
        except BadInput as problem:
            outcome.refused[numbers[number]] = _reason(problem)
        else:
            (outcome.removed if run.over else outcome.stopping).append(run.public)
    if outcome.stopping:
        supervisor.ensure(store.home)
    return outcome


def describe_cancellation(outcome: Cancellation) -> str:
    """Return one line: the runs that were cancelled, and those that were not with the reason."""
    parts = [
        text(f"runs.bulk_{name}", runs=", ".join(runs))
        for name, runs in (("removed", outcome.removed), ("stopping", outcome.stopping))
        if runs
    ]
    refused = ", ".join(f"{run} ({why})" for run, why in outcome.refused.items())
    return " ".join(parts + ([text("runs.bulk_refused", runs=refused)] if refused else []))


def _reason(problem: BadInput) -> str:
    """Return the state of a run that has ended, or another reason, in the reader's language."""
    if problem.key == "error.run_over":
        return text(f"runs.state_{problem.values['state']}")
    return problem.in_language(reader_language()).error
