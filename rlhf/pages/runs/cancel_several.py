# SPDX-License-Identifier: Apache-2.0
"""The fold that cancels several queued or running runs at once. It is there if at least two are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gradio as gr

from data.records import Note, Run
from data.store import Store
from data.tables.notes import EMPTY
from labeling.texts.pages import text
from reward.page import QUIET, Updates
from reward.report.view import message_html
from rlhf.kinds import kind_title
from rlhf.pages.components import html
from rlhf.pages.runs.bulk_cancel import cancel_runs, describe_cancellation

LOOK = "() => document.querySelector('#look-runs').click()"


class CancelSeveral:
    """The choice, the button and the line on the result, which stays when the fold is gone."""

    def __init__(self, store: Store) -> None:
        self.store = store
        with gr.Accordion(text("runs.bulk"), open=False, visible=False, elem_id="cancel-several") as self.fold:
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
