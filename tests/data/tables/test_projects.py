# SPDX-License-Identifier: Apache-2.0
"""Labeling projects, gold items, drafts and rankings as the store keeps them."""

from __future__ import annotations

import pytest
from sqlite_utils.utils import sqlite3

from data.errors import BadInput, Refused
from data.tables.forms import Form
from data.tables.projects import STANDARD


@pytest.fixture
def people(store):
    return [store.accounts.add(name, "labeler") for name in ("Mina", "Jun")]


@pytest.fixture
def answers(store):
    """answers(n) -> a prompt's id and n completions of it."""

    def make(n, *, text="answer {}"):
        prompt = store.prompts.add(f"Prompt {store.prompts.count()}", source="test")
        rows = [{"prompt_id": prompt.id, "model_name": "m", "text": text.format(i), "number": i} for i in range(n)]
        return prompt.id, store.completions.add_many(rows)

    return make


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
    assert [each.name for each in store.projects.open_for(people[0])] == ["Notes", "Standard"]
    assert [each.name for each in store.projects.open_for(people[1])] == ["Standard"]
    assert [each.name for each in store.projects.open_for(researcher)] == ["Notes", "Standard"]
    store.projects.remove_members(project.id, [people[0]])
    assert store.projects.members(project.id) == []


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
    ],
)
def test_a_form_that_makes_no_sense_is_refused_by_its_field(values):
    with pytest.raises(BadInput) as caught:
        Form.of(values)
    assert caught.value.field == next(iter(values))


def test_a_form_is_read_as_it_was_written():
    form = Form(scale="plain", tie=False, aspects=("helpful", "honest"), rationale="required", edit=True)
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


def test_a_ranking_task_is_found_again_and_asks_for_a_text_once(store, answers):
    prompt_id, ids = answers(4)
    task = store.rankings.add_task(prompt_id, ids)
    assert store.rankings.add_task(prompt_id, ids[::-1]) == task
    assert task.completion_ids == tuple(sorted(ids))
    other, same = answers(4, text="the same")
    assert store.rankings.add_task(other, same) is None
    with pytest.raises(BadInput, match="10 answers are too many"):
        store.rankings.add_task(*answers(10))
    with pytest.raises(BadInput, match="no completion of prompt"):
        store.rankings.add_task(other, ids)


@pytest.fixture
def ranked(store, people, answers):
    """ranked(places) -> records a ranking of three answers a, b, c, shown in that order."""
    prompt_id, ids = answers(3)
    task = store.rankings.add_task(prompt_id, ids)
    row = {"id": "a1", "task_id": task.id, "labeler_id": people[0].id, "positions": '["' + '","'.join(ids) + '"]'}
    store.insert("assignments", row | {"expires_at": "", "created_at": ""})
    about = {
        "assignment_id": "a1",
        "task_id": task.id,
        "labeler_id": people[0].id,
        "source": "person",
        "project_id": 1,
        "guideline_version": 1,
    }

    def record(*places, id="r1", verdict="ranked", **more):
        placed = dict(zip(ids, places, strict=True)) if places else {}
        return store.rankings.record(id=id, verdict=verdict, positions=ids, places=placed, **about, **more)

    record.ids = ids
    return record


def test_a_ranking_keeps_places_without_gaps_and_yields_its_pairs(store, ranked):
    assert ranked(5, 2, 5, rationale="kinder")
    assert not ranked(5, 2, 5)
    a, b, c = ranked.ids
    (ranking,) = store.rankings.current()
    assert ranking.places == {b: 1, a: 2, c: 2}
    assert not ranking.unchanged
    assert store.rankings.rationale("r1") == "kinder"
    pairs = {(row["a_id"], row["b_id"]): row["winner_id"] for row in store.rows("SELECT * FROM ranked_pairs")}
    assert pairs == {(a, b): b, (a, c): None, (b, c): b}


def test_a_ranking_sent_as_it_was_shown_is_marked(store, ranked):
    ranked(1, 2, 3)
    assert store.rankings.get("r1").unchanged


def test_a_ranking_is_corrected_by_one_that_supersedes(store, ranked):
    ranked(1, 2, 3)
    with pytest.raises(Refused, match="has its answer"):
        ranked(3, 2, 1, id="r2")
    ranked(3, 2, 1, id="r2", supersedes="r1")
    with pytest.raises(Refused, match="not the current one"):
        ranked(1, 1, 1, id="r3", supersedes="r1")
    ranked(id="r3", verdict="withdrawn", supersedes="r2")
    assert store.rankings.current() == []
    assert [each.id for each in store.rankings.events()] == ["r1", "r2", "r3"]
    with pytest.raises(sqlite3.IntegrityError, match="written once"):
        store.execute("DELETE FROM ranking_places")


@pytest.mark.parametrize("places", [(1, 2, 0), (1, 2, 10), (1, 2, 1.5)])
def test_a_place_outside_one_to_nine_is_refused(store, ranked, places):
    with pytest.raises(BadInput, match="is no place"):
        ranked(*places)
    assert store.rankings.events() == []


def test_a_draft_is_kept_until_it_is_empty(store, ranked):
    store.drafts.save("a1", {"rationale": "becau", "places": []})
    store.drafts.save("a1", {"rationale": "because"})
    assert store.drafts.get("a1") == {"rationale": "because"}
    store.drafts.save("a1", {"rationale": ""})
    assert store.drafts.get("a1") == {}
    with pytest.raises(BadInput, match="a draft has no 'mood'"):
        store.drafts.save("a1", {"mood": "good"})


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
