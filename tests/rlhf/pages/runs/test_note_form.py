# SPDX-License-Identifier: Apache-2.0
"""The fold with a run's name, tags and note: the page shows what it keeps, and leaves alone what is being edited."""

from __future__ import annotations

import gradio as gr
import pytest

from labeling.accounts.current import acting_as
from rlhf.pages.charts.document import make_document
from rlhf.pages.policies.page import PoliciesPage
from rlhf.pages.runs.page import RunsPage
from rlhf.runs.notes import change_note


@pytest.fixture
def page(store):
    for _ in range(2):
        store.metrics.log(store.runs.enqueue("sft", {}, "rae").id, 1, {"loss": 1.0})
    with gr.Blocks():
        return RunsPage(store, gr.Button().click)


def keep(page, store, run, *values):
    """Save a run's form as a researcher; return the line on the page."""
    with acting_as(store.accounts.by_name("rae") or store.accounts.add("rae", "researcher")):
        return page.note.keep(page.refresh(run, "", "")[page.note.seen], *values)[0]


def test_what_the_form_keeps_stands_in_the_table_the_head_and_the_charts(page, store):
    line = keep(page, store, "run1", "tiny <b>", "lr, keep", "why & how", False, True)
    assert "Saved the name, tags and note of" in line
    drawn = page.refresh("run1", "", "")
    assert "tiny &lt;b&gt;" in drawn[page.head]
    assert "why &amp; how" in drawn[page.head]
    assert drawn[page.list.table]["data"][1][1] == "tiny <b>"
    document = make_document(store, "run2,run1")
    assert [run["title"] for run in document["runs"]] == [
        "run1 Supervised fine-tuning · tiny <b>",  # the baseline
        "run2 Supervised fine-tuning",
    ]
    assert document["chosen"] == ["run2", "run1"]
    assert make_document(store, "run2")["others"][0][0] == "run1"
    assert store.audit.all()[0]["actor"] == "account 1"


def test_the_form_is_filled_for_another_run_only(page, store):
    first = page.refresh("run1", "", "")
    assert first[page.note.name] == ""
    seen, listed, noted = first[page.seen], first[page.list.seen], first[page.note.seen]
    log = first[page.log.seen], ""
    assert page.refresh("run1", seen, listed, noted, *log) == gr.skip()  # somebody may be typing
    change_note(store, "run1", by="rae", name="new", tags=("a", "b"))
    changed = page.refresh("run1", seen, listed, noted, *log)
    assert page.note.name not in changed  # it is in the head and the table, and the form keeps what was typed
    assert page.refresh("run2", seen, listed, noted)[page.note.name] == ""
    store.runs.request_cancel(1)
    assert page.note.name not in page.cancel_run("run1", noted)  # it says that the run has ended
    again = page.refresh("run1", seen, listed, "run2 0")
    assert (again[page.note.name], again[page.note.tags]) == ("new", "a, b")


def test_a_note_that_changed_since_it_was_shown_is_not_overwritten(page, store):
    store.accounts.add("rae", "researcher")
    seen = page.refresh("run1", "", "")[page.note.seen]
    change_note(store, "run1", by="kim", text="mine")
    with acting_as(store.accounts.by_name("rae")):
        line, same = page.note.keep(seen, "", "", "yours", False, False)
        assert "somebody changed the note of " in line
        assert (store.notes.get("run", 1).text, same) == ("mine", seen)
        seen = page.refresh("run1", "", "")[page.note.seen]
        for words in ("ours", "ours too"):
            line, seen = page.note.keep(seen, "", "", words, False, False)
            assert "Saved" in line
    assert store.notes.get("run", 1).text == "ours too"


def test_a_form_that_cannot_be_kept_says_why(page, store):
    assert "at most 30" in keep(page, store, "run1", "", "x" * 31, "", False, False)
    assert store.notes.all("run") == {}


def test_an_archived_run_is_hidden_in_the_table_and_among_the_runs_to_add(page, store):
    change_note(store, "run2", by="rae", archived=True)
    drawn = page.refresh("run1", "", "")
    assert [row[0] for row in drawn[page.list.table]["data"]] == ["run1"]
    assert "1 archived run is hidden." in drawn[page.list.count]
    everything = page.refresh("run1", "", "", "", "", "", "", "", "", "", True)
    assert [row[0] for row in everything[page.list.table]["data"]] == ["run2", "run1"]
    assert make_document(store, "run1")["others"] == []


def test_a_policy_is_named_on_its_page(store):
    store.policies.add(name="base", kind="base", base="b")
    with gr.Blocks():
        page = PoliciesPage(store, gr.Button().click)
    first = page.refresh("", "", "", "")
    assert first[page.note.seen].startswith("p1 ")
    change_note(store, "p1", by="rae", name="the good one", tags=("keep",))
    changed = page.refresh("", first[page.seen], first[page.shown], "", first[page.note.seen])
    assert "the good one</b> <span class=soft>keep · " in changed[page.tree]
