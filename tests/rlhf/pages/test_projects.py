# SPDX-License-Identifier: Apache-2.0
"""The researcher's page of labeling projects: what it shows, saves and refuses."""

from __future__ import annotations

from types import SimpleNamespace

import gradio as gr
import pytest

from data.errors import BadInput
from data.tables.forms import Form
from data.tables.projects import STANDARD
from labeling.accounts.current import acting_as
from labeling.page.control_characters import escape_control_characters
from labeling.session import Session
from rlhf.pages.project_view import change_project, draw_flags, field_values, project_row, sampling_settings
from rlhf.pages.projects import ProjectsPage
from rlhf.pages.runs.page import RunsPage


@pytest.fixture
def notes(store):
    return store.projects.add("Notes")


@pytest.fixture
def full_site(store):
    """The Projects page and the Runs page whose form it opens."""
    with gr.Blocks():
        pages = SimpleNamespace(
            projects=ProjectsPage(store, gr.Button().click), runs=RunsPage(store, gr.Button().click)
        )
        pages.projects.wire_sampling(pages.runs)
    return pages


def given(store, project, **changed):
    return field_values(store, project) | {"people": store.projects.members(project.id)} | changed


def test_saving_what_is_shown_changes_nothing(store, notes):
    assert change_project(store, "Notes", given(store, notes), "rae") == notes
    assert store.projects.get(STANDARD).form == Form()


def test_everything_on_the_form_is_saved_at_once(store, notes):
    for name in ("Mina", "Jun"):
        store.accounts.add(name, "labeler")
    changed = {
        "name": "Letters",
        "overlap": 2.5,
        "gold_rate": 5,
        "repeat_rate": 2,
        "rank": 4,
        "scale": "plain",
        "rationale": "required",
        "aspects": "helpful, honest",
        "switches": ["tie", "edit"],
        "people": ["Mina"],
        "guideline": "Prefer the true one.",
    }
    saved = change_project(store, "Notes", given(store, notes, **changed), "rae")
    assert saved.form == Form(
        rank=4,
        scale="plain",
        tie=True,
        both_bad=False,
        skip=False,
        flag=False,
        rationale="required",
        aspects=("helpful", "honest"),
        edit=True,
    )
    assert (saved.name, saved.overlap, saved.gold_rate, saved.repeat_rate, saved.guideline_version) == (
        "Letters",
        2.5,
        0.05,
        0.02,
        2,
    )
    change_project(store, "Letters", given(store, saved, people=["jun"]), "rae")
    assert store.projects.members(saved.id) == ["Jun"]
    assert store.audit.all()[0]["actor"] == "rae"


@pytest.mark.parametrize(
    "changed",
    [
        {"overlap": 0},
        {"rank": 2},
        {"gold_rate": 90},
        {"aspects": "a, A"},
        {"people": ["Nobody"]},
        {"guideline": " "},
        {"name": "Standard"},
        {"version": "0"},
    ],
)
def test_a_field_that_makes_no_sense_saves_nothing(store, notes, changed):
    with pytest.raises(BadInput):
        change_project(store, "Notes", given(store, notes, **({"guideline": "Another."} | changed)), "rae")
    assert store.projects.get(notes.id) == notes


def test_acts_stand_in_the_audit_list_by_number(store, notes, add_pairs):
    rae, mina = store.accounts.add("rae", "researcher"), store.accounts.add("mina", "labeler")
    add_pairs(1)
    with gr.Blocks():
        page = ProjectsPage(store, gr.Button().click)
    with acting_as(rae):
        page.create("Letters")
        page.move_pairs("Notes", 1)
        shown = given(store, notes)
        page.change({page.choice: "Notes", **{page.fields[key]: shown[key] for key in page.fields}})
        page.set_gold("Notes", "mina")
    acts = store.audit.all()
    assert [act["action"] for act in acts] == ["gold items set", "project changed", "project filled", "project added"]
    assert {act["actor"] for act in acts} == {f"account {rae.id}"}
    assert acts[0]["detail"]["judged_by"] == mina.id


def test_a_row_counts_what_the_project_has(store, add_pairs):
    pairs = add_pairs(3)
    store.gold.set(pairs[0].id, pairs[0].first_id, by="rae")
    assert project_row(store, store.projects.get(STANDARD)) == [
        "Standard",
        "Pairs",
        3,
        0,
        0,
        0,
        1.0,
        1,
        "0%",
        "0%",
        "everyone",
        "open",
    ]


def test_sampling_into_a_project_makes_the_items_of_its_task(store, notes, full_site):
    with acting_as(store.accounts.add("rae", "researcher")):
        full_site.projects.create("Orders", 4)
    assert sampling_settings(notes) == {"project": "Notes", "pairs": "disjoint", "per_prompt": 2}
    orders = store.projects.by_name("Orders")
    runs, form = full_site.runs, full_site.runs.forms["sample"]
    updates = runs.open_form("sample", sampling_settings(orders))
    assert (updates[runs.panel.tabs].selected, updates[runs.starting].open) == ("sample", True)
    assert [updates[form.fields[key]]["value"] for key in ("project", "pairs", "per_prompt")] == [
        "Orders",
        "ranking",
        4,
    ]
    assert set(updates) <= set(runs.form_parts("sample"))


def test_a_flag_is_text_whatever_it_holds(store, add_pairs):
    add_pairs(1)
    session = Session(store, store.accounts.add("Mina", "labeler"))
    session.skip(session.next().assignment, "<img src=x> \u202eevil", "flag")
    html = draw_flags(store, store.projects.get(STANDARD))
    assert "&lt;img src=x&gt; [U+202E]evil" in html
    assert "Write note 0." in html


def test_marks_that_turn_text_around_are_written_out_and_letters_stay():
    assert escape_control_characters("a\u202eb\u2066c\x00d\ud800") == "a[U+202E]b[U+2066]c[U+0000]d[U+D800]"
    text = "한국어 العربية 👩‍👩‍👧\n\ttabs"
    assert escape_control_characters(text) == text
