# SPDX-License-Identifier: Apache-2.0
"""The list of runs as plain values: which ones a filter shows, and their rows. Without gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data.clock import now
from data.records import Note, Run
from data.tables.notes import EMPTY
from labeling.texts.pages import text
from labeling.texts.times import local_time
from rlhf.common.estimate import elapsed_seconds, format_duration
from rlhf.kinds import kind_title

COLUMNS = ("run", "name", "kind", "state", "tags", "started", "took", "memory", "produced", "by")


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
        text(f"runs.state_{run.state}"),
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
