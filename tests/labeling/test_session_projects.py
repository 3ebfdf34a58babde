# SPDX-License-Identifier: Apache-2.0
"""The session in projects: what their forms ask, their overlap, gold, repeats, holds, drafts, history, rankings."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from data.errors import Refused
from data.tables.forms import Form
from data.tables.projects import STANDARD
from labeling.queue.leases import LEASE_SECONDS, REPEAT_AFTER
from labeling.session import Answer, Empty, RankingAnswer, Session


@pytest.fixture
def people(store):
    return [store.accounts.add(name, "labeler") for name in ("Mina", "Jun", "Ada")]


@pytest.fixture
def form(store):
    """form(**fields) -> the Standard project asks for this."""
    return lambda **fields: store.projects.change(STANDARD, form=Form(**fields))


@pytest.fixture
def ranking(store):
    """ranking(n) -> a task to rank n answers."""

    def make(n=3, **more):
        prompt = store.prompts.add(f"Rank {store.prompts.count()}", source="test")
        rows = [{"prompt_id": prompt.id, "model_name": "m", "text": f"text {i}", "number": i} for i in range(n)]
        return store.rankings.add_task(prompt.id, store.completions.add_many(rows), **more)

    return make


def said(item, verdict="left", number=0, **more):
    return Answer(f"answer-{item.assignment[:8]}-{number}", item.assignment, verdict, **more)


def judge_all(session):
    met = []
    while item := session.next():
        met.append(item)
        session.submit(said(item))
    return met


# projects


def test_a_labeler_is_handed_only_what_their_projects_have_and_the_given_one_first(store, people, add_pairs):
    pairs = add_pairs(6)
    notes = store.projects.add("Notes", everyone=False)
    store.projects.move_pairs(notes.id, [pair.id for pair in pairs[:3]])
    store.projects.add_members(notes.id, [people[0]])
    assert len(judge_all(Session(store, people[1]))) == 3
    item = Session(store, people[0]).next()
    session = Session(store, people[0])
    assert session.project(item.assignment).name == "Notes"
    assert len(judge_all(session)) == 3


def test_a_project_asks_as_many_labelers_as_its_overlap_says(store, people, add_pairs):
    add_pairs(4)
    store.projects.change(STANDARD, overlap=2)
    assert [len(judge_all(Session(store, person))) for person in people] == [4, 4, 0]


def test_an_unfinished_pair_comes_before_one_of_higher_priority(store, people, add_pairs):
    store.projects.change(STANDARD, overlap=2)
    (begun,) = add_pairs(1)
    session = Session(store, people[0])
    session.submit(said(session.next()))
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
    receipt = session.submit(said(item))
    assert store.comparisons.get(receipt.id).guideline_version == 1
    session.undo()
    assert session.guideline(item.assignment) == "Prefer the true one."
    receipt = session.submit(said(item, number=1))
    assert store.comparisons.get(receipt.id).guideline_version == 2


# forms


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
        session.submit(said(item, **answer))
    assert store.comparisons.events() == []
    assert store.completions.count() == 2
    assert session.next().assignment == item.assignment


def test_aspects_are_kept_and_both_bad_may_leave_them_out(store, people, add_pairs, form):
    add_pairs(2)
    form(aspects=("helpful", "honest"))
    session = Session(store, people[0])
    receipt = session.submit(said(session.next(), aspects={"helpful": "left", "honest": "tie"}))
    assert store.comparisons.aspects(receipt.id) == {"helpful": "left", "honest": "tie"}
    session.submit(said(session.next(), "both_bad"))


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


# holds


def test_a_heartbeat_renews_the_hold_without_another_showing(store, people, add_pairs, clock):
    add_pairs(1)
    session = Session(store, people[0], clock=clock)
    item = session.next()
    clock.move(LEASE_SECONDS - 10)
    assert session.heartbeat(item.assignment) > item.expires_at
    clock.move(LEASE_SECONDS - 10)
    assert Session(store, people[1], clock=clock).next() is None
    receipt = session.submit(said(item))
    assert not receipt.late
    assert store.comparisons.get(receipt.id).seconds == 2 * (LEASE_SECONDS - 10)


def test_a_heartbeat_for_what_is_not_held_is_refused(store, people, add_pairs, clock):
    add_pairs(1)
    mina, jun = (Session(store, person, clock=clock) for person in people[:2])
    item = mina.next()
    for forged in (item.assignment, "nothing", ""):
        with pytest.raises(Refused, match="not assigned to you"):
            jun.heartbeat(forged)
    clock.move(LEASE_SECONDS + 1)
    other = jun.next()
    with pytest.raises(Refused, match="other labelers have it now"):
        mina.heartbeat(item.assignment)
    jun.submit(said(other))
    with pytest.raises(Refused, match="already answered this item"):
        jun.heartbeat(other.assignment)


def test_a_hold_that_ended_is_taken_up_again_while_nobody_else_has_it(store, people, add_pairs, clock):
    add_pairs(1)
    session = Session(store, people[0], clock=clock)
    item = session.next()
    clock.move(LEASE_SECONDS + 1)
    session.heartbeat(item.assignment)
    assert Session(store, people[1], clock=clock).next() is None
    assert not session.submit(said(item)).late


def test_only_a_late_answer_overshoots_the_overlap(store, people, add_pairs, clock):
    add_pairs(1)
    store.projects.change(STANDARD, overlap=2)
    sessions = [Session(store, person, clock=clock) for person in people]
    slow = sessions[0].next()
    clock.move(LEASE_SECONDS + 1)
    for session in sessions[1:]:
        session.submit(said(session.next()))
    assert sessions[0].next() is None
    assert sessions[0].submit(said(slow)).late
    assert [event.late for event in store.comparisons.events()] == [False, False, True]


def test_a_clock_that_jumps_back_frees_what_it_would_hold_for_a_day(store, people, add_pairs, clock):
    add_pairs(1)
    clock.move(24 * 3600)
    item = Session(store, people[0], clock=clock).next()
    clock.move(-24 * 3600)
    other = Session(store, people[1], clock=clock).next()
    assert other.prompt == item.prompt
    receipt = Session(store, people[0], clock=clock).submit(said(item))
    assert receipt.late
    assert store.comparisons.get(receipt.id).seconds is None


def test_a_clock_that_jumps_forward_ends_holds_and_loses_nothing(store, people, add_pairs, clock):
    add_pairs(1)
    session = Session(store, people[0], clock=clock)
    item = session.next()
    clock.move(10 * 365 * 24 * 3600)
    assert session.submit(said(item)).late
    clock.move(-10 * 365 * 24 * 3600)
    with pytest.raises(Refused, match="already answered this item"):
        session.submit(said(item, number=1))
    assert len(store.comparisons.events()) == 1


# gold and repeats


def test_gold_goes_to_every_labeler_at_its_rate_and_leaves_the_overlap_alone(store, people, add_pairs):
    pairs = add_pairs(60)
    store.projects.change(STANDARD, overlap=1, gold_rate=0.25)
    for pair in pairs[:10]:
        store.gold.set(pair.id, pair.first_id, by="Rae")
    for person in people[:2]:
        session = Session(store, person, rng=random.Random(person.id))
        for _ in range(20):
            session.submit(said(session.next()))
    kinds = Counter((each.labeler_id, each.gold) for each in store.assignments.all())
    # binomial(20, 1/4): 5 expected, 1.94 standard deviation
    assert all(1 <= kinds[person.id, True] <= 10 for person in people[:2])
    gold = {pair.id for pair in pairs[:10]}
    assert {each.pair_id for each in store.assignments.all() if each.gold} <= gold
    assert not gold & {each.pair_id for each in store.assignments.all() if not each.gold}


def test_a_planned_repeat_swaps_the_sides_once_and_counts_for_nothing(store, people, add_pairs):
    add_pairs(80)
    store.projects.change(STANDARD, repeat_rate=0.3)
    session = Session(store, people[0], rng=random.Random(3))
    handed = []
    while item := session.next():
        handed.append(store.assignments.get(item.assignment))
        session.submit(said(item))
    repeats = [each for each in handed if each.kind == "repeat"]
    assert len(repeats) > 5
    first = {each.id: (place, each) for place, each in enumerate(handed)}
    for place, each in enumerate(handed):
        if each.repeats:
            before, original = first[each.repeats]
            assert (each.left_id, each.right_id) == (original.right_id, original.left_id)
            assert place - before >= REPEAT_AFTER
    assert max(Counter(each.pair_id for each in handed).values()) == 2
    assert len(handed) == 80 + len(repeats)
    assert {row["judged"] for row in store.rows("SELECT judged FROM queue")} == {1}


# rankings


def test_a_ranking_is_leased_in_an_order_of_its_own_and_only_where_it_can_be_shown(store, people, ranking):
    task = ranking(9)
    store.projects.change(STANDARD, overlap=2)
    assert Session(store, people[0]).next() is None
    items = [Session(store, person, rankings=True, rng=random.Random(person.id)).next() for person in people[:2]]
    assert items[0].answers != items[1].answers
    assert sorted(items[0].answers) == [f"text {i}" for i in range(9)]
    assert set(store.assignments.get(items[0].assignment).positions) == set(task.completion_ids)
    assert Session(store, people[2], rankings=True).next() is None
    assert Session(store, people[0], rankings=True).next().answers == items[0].answers


def test_a_ranking_is_one_event_and_marked_where_it_was_sent_as_shown(store, people, ranking):
    ranking(4)
    session = Session(store, people[0], rankings=True)
    item = session.next()
    answer = RankingAnswer("answer-1", item.assignment, (1, 2, 3, 4), rationale="as they stand")
    assert session.submit(answer) == session.submit(answer)
    (event,) = store.rankings.events()
    assert event.unchanged
    assert [event.places[id] for id in store.assignments.get(item.assignment).positions] == [1, 2, 3, 4]
    assert store.rankings.rationale("answer-1") == "as they stand"
    assert session.next() is None
    assert session.progress().total == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"places": (1, 2)}, "each of the 3 answers"),
        ({"places": (1, 2, 4)}, "from 1 to 3"),
        ({"places": (1, 2, 0)}, "from 1 to 3"),
        ({"places": (1, 2, True)}, "each of the 3"),
        ({"places": (1, 1, 2)}, "does not allow ties"),
        ({"places": (1, 2, 3), "all_bad": True}, "each of the 3"),
        ({"places": ()}, "each of the 3"),
    ],
)
def test_a_ranking_that_does_not_fit_is_refused(store, people, ranking, form, answer, message):
    ranking(3)
    form(tie=False)
    session = Session(store, people[0], rankings=True)
    item = session.next()
    with pytest.raises(Refused, match=message):
        session.submit(RankingAnswer("answer-1", item.assignment, **answer))
    assert store.rankings.events() == []


def test_a_pair_is_not_answered_by_places_nor_a_ranking_by_a_verdict(store, people, ranking, add_pairs):
    add_pairs(1)
    ranking(3)
    session = Session(store, people[0], rankings=True)
    pair = session.next()
    with pytest.raises(Refused, match="Send a verdict"):
        session.submit(RankingAnswer("answer-1", pair.assignment, (1, 2, 3)))
    session.submit(said(pair))
    with pytest.raises(Refused, match="Send places"):
        session.submit(said(session.next()))


def test_a_ranking_is_undone_and_corrected_like_a_comparison(store, people, ranking, add_pairs):
    ranking(3)
    session = Session(store, people[0], rankings=True)
    item = session.next()
    session.submit(RankingAnswer("answer-1", item.assignment, (3, 2, 1)))
    assert session.undo().assignment == item.assignment
    assert session.draft(item.assignment)["places"] == [3, 2, 1]
    session.submit(RankingAnswer("answer-2", item.assignment, (1, 1, 2)))
    session.submit(RankingAnswer("answer-3", item.assignment, (2, 1, 1), supersedes="answer-2"))
    assert session.past_answer(item.assignment).places == (2, 1, 1)
    assert [event.verdict for event in store.rankings.events()] == ["ranked", "withdrawn", "ranked", "ranked"]
    assert store.value("SELECT judged FROM ranking_tasks") == 1


# history and drafts


def test_a_labeler_walks_back_through_their_answers_and_corrects_any(store, people, add_pairs, form):
    add_pairs(5)
    form(edit=True, aspects=("honest",))
    session = Session(store, people[0])
    receipts = [
        session.submit(said(session.next(), aspects={"honest": "tie"}, edit=f"better {n}", rationale="kinder"))
        for n in range(4)
    ]
    session.skip(session.next().assignment, "no")
    past = session.history()
    assert [each.id for each in past] == [receipt.id for receipt in receipts[::-1]]
    assert [each.id for each in session.history(2, before=past[1].item.assignment)] == [receipts[1].id, receipts[0].id]
    last = past[-1]
    assert (last.rationale, last.aspects, last.edit, last.edited) == ("kinder", {"honest": "tie"}, "better 0", "left")
    correction = said(last.item, "right", number=1, aspects={"honest": "right"}, supersedes=last.id)
    session.submit(correction)
    now = session.past_answer(last.item.assignment)
    assert (now.id, now.verdict, now.rationale, now.edit) == (correction.id, "right", None, None)
    assert len(store.comparisons.events()) == 5
    with pytest.raises(Refused, match="not assigned to you"):
        Session(store, people[1]).past_answer(last.item.assignment)
    with pytest.raises(Refused, match="latest verdict"):
        session.submit(said(last.item, number=2, aspects={"honest": "tie"}, supersedes=last.id))


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
    session.submit(said(item, rationale="because"))
    session.save_draft(item.assignment, rationale="a page that saved late")
    assert session.draft(item.assignment) == {}
    session.undo()
    assert session.draft(item.assignment)["rationale"] == "because"
