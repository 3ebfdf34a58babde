# SPDX-License-Identifier: Apache-2.0
"""The session: past answers and drafts."""

from __future__ import annotations

import pytest

from data.errors import Refused
from labeling.session import Session
from tests.support.labeling.answers import answer_to


def test_a_labeler_walks_back_through_their_answers_and_corrects_any(store, people, add_pairs, form):
    add_pairs(5)
    form(edit=True, aspects=("honest",))
    session = Session(store, people[0])
    receipts = [
        session.submit(answer_to(session.next(), aspects={"honest": "tie"}, edit=f"better {n}", rationale="kinder"))
        for n in range(4)
    ]
    session.skip(session.next().assignment, "no")
    past = session.history()
    assert [answered.id for answered in past] == [receipt.id for receipt in receipts[::-1]]
    assert [answered.id for answered in session.history(2, before=past[1].item.assignment)] == [
        receipts[1].id,
        receipts[0].id,
    ]
    last = past[-1]
    assert (last.rationale, last.aspects, last.edit, last.edited) == ("kinder", {"honest": "tie"}, "better 0", "left")
    correction = answer_to(last.item, "right", number=1, aspects={"honest": "right"}, supersedes=last.id)
    session.submit(correction)
    now = session.past_answer(last.item.assignment)
    assert (now.id, now.verdict, now.rationale, now.edit) == (correction.id, "right", None, None)
    assert len(store.comparisons.events()) == 5
    with pytest.raises(Refused, match="not assigned to you"):
        Session(store, people[1]).past_answer(last.item.assignment)
    with pytest.raises(Refused, match="latest verdict"):
        session.submit(answer_to(last.item, number=2, aspects={"honest": "tie"}, supersedes=last.id))


def test_an_unanswered_item_has_no_past_answer(store, people, add_pairs):
    add_pairs(1)
    session = Session(store, people[0])
    with pytest.raises(Refused, match="no verdict on this item"):
        session.past_answer(session.next().assignment)


def test_a_draft_is_the_labelers_own_and_goes_with_the_answer(store, people, add_pairs):
    add_pairs(1)
    session = Session(store, people[0])
    item = session.next()
    session.save_draft(item.assignment, rationale="beca")
    assert Session(store, people[0]).draft(item.assignment) == {"rationale": "beca"}
    for act in (
        lambda other: other.draft(item.assignment),
        lambda other: other.save_draft(item.assignment, rationale="mine"),
    ):
        with pytest.raises(Refused, match="not assigned to you"):
            act(Session(store, people[1]))
    session.submit(answer_to(item, rationale="because"))
    session.save_draft(item.assignment, rationale="a page that saved late")
    assert session.draft(item.assignment) == {}
    session.undo()
    assert session.draft(item.assignment)["rationale"] == "because"
