# SPDX-License-Identifier: Apache-2.0
"""The session: projects, their guidelines and their forms."""

from __future__ import annotations

import pytest

from data.errors import Refused
from data.tables.projects import STANDARD
from labeling.session import Empty, Session
from tests.support.labeling.answers import answer_to, judge_all


def test_a_labeler_gets_the_items_of_their_own_projects_alone(store, people, add_pairs):
    pairs = add_pairs(6)
    notes = store.projects.add("Notes")
    store.projects.move_pairs(notes.id, [pair.id for pair in pairs[:3]])
    store.projects.add_members(notes.id, [people[0]])
    assert len(judge_all(Session(store, people[1]))) == 3
    item = Session(store, people[0]).next()
    session = Session(store, people[0])
    assert session.project(item.assignment).name == "Notes"
    assert len(judge_all(session)) == 3
    add_pairs(1)
    assert session.next() is None
    store.projects.add_members(STANDARD, [people[0]])
    assert session.project(session.next().assignment).name == "Standard"


def test_a_project_asks_as_many_labelers_as_its_overlap_says(store, people, add_pairs):
    add_pairs(4)
    store.projects.change(STANDARD, overlap=2)
    assert [len(judge_all(Session(store, person))) for person in people] == [4, 4, 0]


def test_an_unfinished_pair_comes_before_one_of_higher_priority(store, people, add_pairs):
    store.projects.change(STANDARD, overlap=2)
    (begun,) = add_pairs(1)
    session = Session(store, people[0])
    session.submit(answer_to(session.next()))
    add_pairs(5, priority=9)
    item = Session(store, people[1]).next()
    assert store.assignments.get(item.assignment).pair_id == begun.id


def test_many_distinct_priorities_are_met_from_the_top(store, people, add_pairs):
    for priority in range(30):
        add_pairs(1, priority=priority)
    met = [item.prompt for item in judge_all(Session(store, people[0]))]
    assert met == [f"Write note {number}." for number in reversed(range(30))]


def test_nobody_in_an_open_project_is_told_so(store, people, add_pairs):
    add_pairs(1)
    store.projects.change(STANDARD, closed=True)
    session = Session(store, people[0])
    assert session.next() is None
    assert session.why_empty() == Empty("no_project")


def test_an_answer_keeps_the_guideline_that_was_shown(store, people, add_pairs):
    add_pairs(1)
    session = Session(store, people[0])
    item = session.next()
    store.projects.change(STANDARD, guideline="Prefer the true one.")
    assert session.guideline(item.assignment) != "Prefer the true one."
    receipt = session.submit(answer_to(item))
    assert store.comparisons.get(receipt.id).guideline_version == 1
    session.undo()
    assert session.guideline(item.assignment) == "Prefer the true one."
    receipt = session.submit(answer_to(item, number=1))
    assert store.comparisons.get(receipt.id).guideline_version == 2


@pytest.mark.parametrize(
    ("fields", "answer", "message"),
    [
        (
            {"scale": "plain"},
            {"verdict": "left_much"},
            "'left_much' is not a verdict of this project. Use one of: left, tie, right, both_bad",
        ),
        ({"tie": False}, {"verdict": "tie"}, "'tie' is not a verdict"),
        ({"both_bad": False}, {"verdict": "both_bad"}, "'both_bad' is not a verdict"),
        ({"rationale": "off"}, {"rationale": "kinder"}, "does not ask for a rationale"),
        ({"rationale": "required"}, {}, "needs a rationale"),
        ({}, {"aspects": {"helpful": "left"}}, "has no aspect 'helpful'"),
        ({"aspects": ("helpful", "honest")}, {"aspects": {"helpful": "left"}}, "the better answer for: honest"),
        ({"aspects": ("helpful",)}, {"aspects": {"helpful": "best"}}, "'best' is not a choice for helpful"),
        ({}, {"edit": "made better"}, "does not ask for edited answers"),
        ({"edit": True}, {"verdict": "tie", "edit": "made better"}, "which answer you edited"),
        ({"edit": True}, {"edit": "made better", "edited": "middle"}, "which answer you edited"),
        ({"edit": True}, {"edit": "  "}, "is empty"),
        ({"edit": True}, {"edit": "x" * 20_001}, "20001 characters"),
        ({"edit": True}, {"edit": "kind answer 0"}, "same as one of the two"),
    ],
)
def test_what_the_form_does_not_have_is_refused_and_nothing_is_written(
    store, people, add_pairs, form, fields, answer, message
):
    add_pairs(1)
    form(**fields)
    session = Session(store, people[0])
    item = session.next()
    with pytest.raises(Refused, match=message):
        session.submit(answer_to(item, **answer))
    assert store.comparisons.events() == []
    assert store.completions.count() == 2
    assert session.next().assignment == item.assignment


def test_aspects_are_kept_and_both_bad_may_leave_them_out(store, people, add_pairs, form):
    add_pairs(2)
    form(aspects=("helpful", "honest"))
    session = Session(store, people[0])
    receipt = session.submit(answer_to(session.next(), aspects={"helpful": "left", "honest": "tie"}))
    assert store.comparisons.aspects(receipt.id) == {"helpful": "left", "honest": "tie"}
    session.submit(answer_to(session.next(), "both_bad"))


def test_a_project_without_skip_or_flag_refuses_them(store, people, add_pairs, form):
    add_pairs(1)
    form(skip=False)
    session = Session(store, people[0])
    item = session.next()
    with pytest.raises(Refused, match="cannot skip items"):
        session.skip(item.assignment, "no")
    with pytest.raises(Refused, match="Use 'skip' or 'flag'"):
        session.skip(item.assignment, "no", "burn")
    session.skip(item.assignment, "broken", "flag")
    assert store.one("SELECT kind, reason FROM skips") == {"kind": "flag", "reason": "broken"}
