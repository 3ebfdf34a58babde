# SPDX-License-Identifier: Apache-2.0
"""The list of runs: the fields of its filter (search, kind, state, tag, archived runs), the table and its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

import gradio as gr

from data.clock import now
from data.records import Note, Run
from data.store import Store
from data.tables.notes import EMPTY
from labeling.texts.pages import text
from labeling.texts.times import local_time
from reward.page import Updates
from rlhf.common.estimate import elapsed_seconds, format_duration
from rlhf.kinds import kind_title
from rlhf.pages.components import hidden, html, table, with_links
from rlhf.pages.markup import esc
from rlhf.pages.runs.bulk_cancel import BulkCancel
from rlhf.pages.runs.notices import notices_html
from rlhf.pages.runs.usage import Used, memory_cell

COLUMNS = ("run", "name", "kind", "state", "tags", "started", "took", "memory", "produced", "by")
LINKED = ("run", "produced")
"""Columns that hold ids."""
STATES = ("queued", "running", "done", "failed", "cancelled", "lost")


class Filter(NamedTuple):
    """The conditions on the list; an empty one admits every run. `words`: each stands in the row or the note."""

    words: str = ""
    kind: str = ""
    state: str = ""
    tag: str = ""
    archived: bool = False

    @classmethod
    def read(cls, values: Sequence[str | bool]) -> Filter:
        """Return the filter of the fields' values; none: the one that hides archived runs only."""
        return cls._make(value or empty for value, empty in zip(values, cls(), strict=True)) if values else cls()


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
        self.bulk_cancel = BulkCancel(store)
        self.seen = hidden()
        self.notices = html("run-notices")
        self.shown = [self.seen, self.notices, self.count, self.table, self.kind, self.tag, *self.bulk_cancel.shown]
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
            **self.bulk_cancel.draw(runs, notes),
            self.kind: gr.Dropdown(choices=[_any(), *((kind_title(kind), kind) for kind in kinds)]),
            self.tag: gr.Dropdown(choices=[_any(), *((tag, tag) for tag in tags)]),
        }

    def _used(self, run: Run) -> Used:
        return self.store.metrics.usage(run.id) if run.state == "running" else {}


def filter_runs(runs: Sequence[Run], notes: Mapping[int, Note], wanted: Filter) -> list[Run]:
    """Return the runs that a filter shows, in their order."""
    moment, words = now(), wanted.words.lower().split()

    def admits(run: Run) -> bool:
        note = notes.get(run.id, EMPTY)
        if note.archived and not wanted.archived:
            return False
        if wanted.kind not in ("", run.kind) or wanted.state not in ("", run.state):
            return False
        if wanted.tag and wanted.tag not in note.tags:
            return False
        read = " ".join([*make_row(run, note, moment), run.kind, note.text]).lower() if words else ""
        return all(word in read for word in words)

    return [run for run in runs if admits(run)]


def run_rows(runs: Sequence[Run], notes: Mapping[int, Note], memory: Mapping[int, str]) -> list[list[str]]:
    """Return rows under COLUMNS, in the order of the runs; `memory` has the cells of that column."""
    moment = now()
    return [make_row(run, notes.get(run.id, EMPTY), moment, memory.get(run.id, "")) for run in runs]


def make_row(run: Run, note: Note, moment: str, memory: str = "") -> list[str]:
    """Return the row of one run at a moment."""
    seconds = elapsed_seconds(run, moment)
    return [
        run.public,
        note.name,
        kind_title(run.kind),
        text(f"runs.state_{run.state}") + (f" · {run.node}" if run.node else ""),
        ", ".join(describe_tags(note)),
        local_time(run.started_at or run.created_at),
        format_duration(seconds) if seconds is not None and run.over else "",
        memory,
        ", ".join(run.produced),
        run.created_by,
    ]


def describe_tags(note: Note) -> list[str]:
    """Return the tags of a note and its marks in the reader's language."""
    return [*note.tags, *(text(f"notes.{mark}") for mark in ("baseline", "archived") if getattr(note, mark))]


def describe_count(runs: Sequence[Run], shown: Sequence[Run], notes: Mapping[int, Note], wanted: Filter) -> str:
    """Return a line on what the filter leaves out; empty if it shows every run."""
    archived = sum(notes.get(run.id, EMPTY).archived for run in runs)
    if wanted != Filter(archived=wanted.archived):
        return text("runs.matching", n=len(shown), of=len(runs))
    return text("runs.hidden", n=archived) if archived and not wanted.archived else ""


def marks_of(runs: Sequence[Run]) -> str:
    """Return a mark that changes with every run that is queued, starts or ends."""
    return " ".join(f"{run.id}{run.state}" for run in runs)


def _any() -> tuple[str, str]:
    return text("runs.any"), ""
