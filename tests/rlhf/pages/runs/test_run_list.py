# SPDX-License-Identifier: Apache-2.0
"""The list of runs: what its filter shows, what a row holds, and the line on what is left out."""

from __future__ import annotations

import re

import gradio as gr
import pytest

from data.records import Note
from rlhf.pages.runs.bulk_cancel import BulkCancel
from rlhf.pages.runs.run_list import COLUMNS, Filter, describe_count, filter_runs, run_rows
from rlhf.pages.runs.view import draw_head

NOTES = {
    1: Note("first try", "KL ran away", ("lr",)),
    2: Note(tags=("lr", "keep"), baseline=True),
    3: Note("old", archived=True),
}


@pytest.fixture
def runs(store):
    """PPO by rae and sft by jun, both queued; an archived PPO that was cancelled; a sampling run. Newest first."""
    for kind, by in (("ppo", "rae"), ("sft", "jun"), ("ppo", "rae"), ("sample", "jun")):
        store.runs.enqueue(kind, {}, by)
    store.runs.request_cancel(3)
    return store.runs.all()


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Filter(), [4, 2, 1]),
        (Filter(archived=True), [4, 3, 2, 1]),
        (Filter(kind="ppo"), [1]),
        (Filter(kind="ppo", archived=True), [3, 1]),
        (Filter(state="cancelled", archived=True), [3]),
        (Filter(tag="lr"), [2, 1]),
        (Filter(words="TRY rae"), [1]),
        (Filter(words="ran away"), [1]),  # in the note
        (Filter(words="Fine-Tuning"), [2]),  # the kind's title
        (Filter(words="sft"), [2]),  # its name
        (Filter(words="run4"), [4]),
        (Filter(words="nothing"), []),
    ],
)
def test_a_filter_shows_the_runs_that_fulfil_all_its_conditions(runs, wanted, ids):
    assert [run.id for run in filter_runs(runs, NOTES, wanted)] == ids


def test_a_row_has_the_name_the_tags_and_the_marks(runs):
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in run_rows(runs, NOTES, {2: "1.5 GB"})]
    assert [(row["run"], row["name"], row["tags"], row["memory"]) for row in rows] == [
        ("run4", "", "", ""),
        ("run3", "old", "archived", ""),
        ("run2", "", "lr, keep, baseline", "1.5 GB"),
        ("run1", "first try", "lr", ""),
    ]


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        (Filter(), "1 archived run is hidden."),
        (Filter(archived=True), ""),
        (Filter(tag="lr"), "2 of 4 runs match."),
    ],
)
def test_a_line_counts_what_the_filter_leaves_out(runs, wanted, line):
    assert describe_count(runs, filter_runs(runs, NOTES, wanted), NOTES, wanted) == line


def test_the_fold_offers_what_has_not_ended_and_says_what_became_of_it(store, runs):
    with gr.Blocks():
        several = BulkCancel(store)
    drawn = several.draw(runs, NOTES)
    assert drawn[several.fold].visible
    assert drawn[several.choice].choices == [
        ("run1 · PPO · first try · queued", "run1"),
        ("run2 · Supervised fine-tuning · queued", "run2"),
        ("run4 · Sample · queued", "run4"),
    ]
    assert several.choose_all() == ["run1", "run2", "run4"]
    assert "No run is chosen." in several.cancel([])[several.status]
    done = several.cancel(["run4", "run3", "run2"])
    assert done[several.choice] == []
    assert re.sub("<[^>]+>", "", done[several.status]) == (
        "Removed from the queue: run4, run2. Not cancelled: run3 (cancelled)."
    )
    assert not several.draw(store.runs.all(), NOTES)[several.fold].visible


def test_a_run_on_another_machine_shows_its_node(store):
    store.runs.enqueue("sft", {"launcher": "worker"}, "rae")
    run = store.runs.claim_elsewhere("claim-001", "node <a>")
    (row,) = run_rows([run], {}, {})
    assert row[COLUMNS.index("state")] == "running · node <a>"
    assert "works on</span><br>node &lt;a&gt;</div>" in draw_head(run)
