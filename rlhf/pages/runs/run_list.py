# SPDX-License-Identifier: Apache-2.0
"""The table of runs, and the fields above it: search, kind, state, tag, and whether archived runs are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zlib import crc32

import gradio as gr

from data.records import Note, Run
from data.store import Store
from labeling.texts.pages import text
from reward.page import Updates
from rlhf.kinds import kind_title
from rlhf.pages.components import hidden, html, table, with_links
from rlhf.pages.markup import esc
from rlhf.pages.runs.cancel_several import CancelSeveral
from rlhf.pages.runs.listing import COLUMNS, Filter, describe_count, filter_runs, run_rows
from rlhf.pages.runs.notices import notices_html
from rlhf.pages.runs.usage import Used, memory_cell

LINKED = ("run", "produced")
"""Columns that hold ids."""
STATES = ("queued", "running", "done", "failed", "cancelled", "lost")


class RunList:
    """The components. `fields` stand in the order of `Filter`; kinds and tags are those that the runs have."""

    def __init__(self, store: Store) -> None:
        self.store = store
        with gr.Row(elem_classes="fields", elem_id="runs-filter"):
            words = gr.Textbox(label=text("runs.search"), max_lines=1, elem_id="runs-words")
            self.kind = gr.Dropdown([_any()], value="", label=text("runs.column_kind"), elem_id="runs-kind")
            states = [(text(f"runs.state_{state}"), state) for state in STATES]
            state = gr.Dropdown([_any(), *states], value="", label=text("runs.column_state"), elem_id="runs-state")
            self.tag = gr.Dropdown([_any()], value="", label=text("runs.tag"), elem_id="runs-tag")
            archived = gr.Checkbox(label=text("runs.show_archived"), elem_id="runs-archived")
        self.fields = [words, self.kind, state, self.tag, archived]
        self.count = html("runs-count")
        self.table = table("runs", COLUMNS, "runs-table", "runs.table", linked=LINKED)
        self.several = CancelSeveral(store)
        self.seen = hidden()
        self.notices = html("run-notices")
        self.shown = [self.seen, self.notices, self.count, self.table, self.kind, self.tag, *self.several.shown]
        self.events = [words.input, self.kind.input, state.input, self.tag.input, archived.input]

    def draw(self, runs: Sequence[Run], notes: Mapping[int, Note], seen: str, wanted: Filter) -> Updates:
        """Return the rows that the filter shows and the runs to cancel, if a run, a note or the filter changed.

        A running run shows its memory of this moment. Memory alone draws nothing: new rows reset the reader's search.
        """
        notices = notices_html(self.store)
        mark = str(crc32(repr((marks_of(runs), notes, wanted, notices)).encode()))
        if mark == seen:
            return {}
        shown = filter_runs(runs, notes, wanted)
        memory = {run.id: memory_cell(run, self._used(run)) for run in shown}
        kinds = sorted({run.kind for run in runs} | {wanted.kind} - {""})
        tags = sorted({tag for note in notes.values() for tag in note.tags} | {wanted.tag} - {""})
        return {
            self.seen: mark,
            self.notices: notices,
            self.count: f"<p class=soft role=status>{esc(describe_count(runs, shown, notes, wanted))}</p>",
            self.table: with_links(COLUMNS, run_rows(shown, notes, memory), LINKED),
            **self.several.draw(runs, notes),
            self.kind: gr.Dropdown(choices=[_any(), *((kind_title(kind), kind) for kind in kinds)]),
            self.tag: gr.Dropdown(choices=[_any(), *((tag, tag) for tag in tags)]),
        }

    def _used(self, run: Run) -> Used:
        return self.store.metrics.usage(run.id) if run.state == "running" else {}


def marks_of(runs: Sequence[Run]) -> str:
    """Return a mark that changes with every run that is queued, starts or ends."""
    return " ".join(f"{run.id}{run.state}" for run in runs)


def _any() -> tuple[str, str]:
    return text("runs.any"), ""
