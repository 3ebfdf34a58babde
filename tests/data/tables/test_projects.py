# SPDX-License-Identifier: Apache-2.0
"""Labeling projects, guidelines, forms and gold items in the store."""

from __future__ import annotations

import pytest
from sqlite_utils.utils import sqlite3

from data.errors import BadInput
from data.tables.forms import Form, parse_form
from data.tables.projects import STANDARD


def names_for(store, person) -> list[str]:
    """Return the names of the projects whose items this person may get."""
    return [project.name for project in store.projects.open_for(person)]


def test_the_standard_project_is_everyones_and_has_every_pair(store, people, add_pairs):
    add_pairs(3)
    (standard,) = store.projects.all()
    assert (standard.id, standard.name, standard.everyone, standard.form, standard.overlap) == (
        STANDARD,
        "Standard",
        True,
        Form(),
        1.0,
    )
    assert store.projects.open_for(people[0]) == [standard]
    assert store.projects.counts(STANDARD)["pairs"] == 3


def test_a_labeler_reaches_the_projects_given_to_them_and_a_researcher_all(store, people):
    project = store.projects.add("Notes")
    store.projects.add_members(project.id, [people[0]])
    researcher = store.accounts.add("Rae", "researcher")
    assert names_for(store, people[0]) == ["Notes"]
    assert names_for(store, people[1]) == ["Standard"]
    assert names_for(store, researcher) == ["Notes", "Standard"]
    store.projects.remove_members(project.id, [people[0]])
    assert store.projects.members(project.id) == []
    assert names_for(store, people[0]) == ["Standard"]


def test_a_member_of_any_project_is_in_a_project_for_everyone_only_by_membership(store, people):
    notes = store.projects.add("Notes")
    store.projects.add_members(notes.id, [people[0]])
    store.projects.change(notes.id, closed=True)
    assert names_for(store, people[0]) == []
    store.projects.add_members(STANDARD, [people[0]])
    assert names_for(store, people[0]) == ["Standard"]
    store.projects.change(notes.id, closed=False)
    assert names_for(store, people[0]) == ["Notes", "Standard"]


def test_a_closed_project_is_nobodys(store, people):
    store.projects.change(STANDARD, closed=True)
    assert store.projects.open_for(people[0]) == []


def test_a_guideline_gets_a_version_for_each_change(store):
    project = store.projects.add("Notes", "Prefer the kind one.")
    assert store.projects.change(project.id, guideline="Prefer the kind one.").guideline_version == 1
    assert store.projects.change(project.id, guideline="Prefer the true one.").guideline_version == 2
    assert store.projects.guideline(project.id, 1).text == "Prefer the kind one."
    assert store.projects.get(project.id).guideline_version == 2
    with pytest.raises(sqlite3.IntegrityError, match="written once"):
        store.execute("UPDATE guidelines SET text = 'other'")


def test_another_form_is_a_new_version_too_and_both_at_once_are_one(store):
    project = store.projects.add("Notes", "Prefer the kind one.", form=Form(edit=True))
    assert store.projects.change(project.id, form=Form(edit=True), overlap=2).guideline_version == 1
    assert store.projects.change(project.id, form=Form()).guideline_version == 2
    assert (
        store.projects.change(project.id, form=Form(tie=False), guideline="Prefer the true one.").guideline_version == 3
    )
    texts = [store.projects.guideline(project.id, version).text for version in (1, 2, 3)]
    assert texts == ["Prefer the kind one.", "Prefer the kind one.", "Prefer the true one."]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "),
        ("name", "x" * 61),
        ("name", "a\nb"),
        ("name", "standard"),
        ("overlap", 0.5),
        ("gold_rate", 0.9),
        ("repeat_rate", -0.1),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_its_name(store, field, value):
    with pytest.raises(BadInput) as caught:
        store.projects.add(**({"name": "Notes"} | {field: value}))
    assert caught.value.field == field
    assert len(store.projects.all()) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"scale": "stars"},
        {"rationale": "maybe"},
        {"tie": 1},
        {"aspects": ["a", "A"]},
        {"aspects": [""]},
        {"colour": "red"},
        {"rank": 2},
        {"rank": True},
    ],
)
def test_a_form_that_makes_no_sense_is_refused_by_its_field(values):
    with pytest.raises(BadInput) as caught:
        Form.of(values)
    assert caught.value.field == next(iter(values))


def test_the_number_of_answers_to_rank_is_read_from_text():
    assert parse_form(["rank=4", "edit=on"]) == Form(rank=4, edit=True)
    with pytest.raises(BadInput, match="'four' answers make no ranking"):
        parse_form(["rank=four"])


def test_a_form_is_read_as_it_was_written():
    form = Form(scale="plain", tie=False, aspects=("helpful", "honest"), rationale="required", edit=True, rank=4)
    assert Form.read(form.written()) == form
    assert Form().written() == "{}"
    assert form.verdicts == ("left", "right", "both_bad")


def test_a_moved_pair_waits_in_its_new_project(store, add_pairs):
    pairs = add_pairs(3)
    project = store.projects.add("Notes")
    assert store.projects.move_pairs(project.id, [pairs[0].id, pairs[1].id]) == 2
    assert (store.projects.counts(project.id)["pairs"], store.projects.counts(STANDARD)["pairs"]) == (2, 1)


def test_a_gold_item_has_a_winner_of_its_pair_until_it_is_unset(store, add_pairs):
    (pair,) = add_pairs(1)
    gold = store.gold.set(pair.id, pair.first_id, by="Rae")
    assert store.gold.all() == [gold] == [store.gold.get(pair.id)]
    with pytest.raises(BadInput, match="cannot be the winner"):
        store.gold.set(pair.id, "another", by="Rae")
    store.gold.unset(pair.id)
    assert store.gold.get(pair.id) is None
    with pytest.raises(BadInput, match="is not a gold item"):
        store.gold.unset(pair.id)


def test_aspects_and_an_edit_are_kept_with_the_comparison(store, add_pairs, people):
    (pair,) = add_pairs(1)
    about = {
        "pair_id": pair.id,
        "labeler_id": people[0].id,
        "left_id": pair.first_id,
        "right_id": pair.second_id,
        "source": "import",
    }
    store.comparisons.record(
        id="c1",
        verdict="left",
        aspects={"helpful": "left", "honest": "tie"},
        edit=(pair.first_id, "the better answer"),
        **about,
    )
    assert store.comparisons.aspects("c1") == {"helpful": "left", "honest": "tie"}
    edit = store.comparisons.edit("c1")
    assert (edit.edited_id, edit.text, edit.labeler_id) == (pair.first_id, "the better answer", people[0].id)
    assert store.completions.get(edit.completion_id).model_name == f"edit by labeler {people[0].id}"
    with pytest.raises(sqlite3.IntegrityError, match="of one of its two answers"):
        store.comparisons.record(id="c2", verdict="left", edit=(edit.completion_id, "another"), **about)
    assert store.comparisons.count() == 1
