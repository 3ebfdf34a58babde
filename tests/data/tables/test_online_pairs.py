# SPDX-License-Identifier: Apache-2.0
"""Questions of online runs: recorded once, withdrawn unless somebody looks at them, answered with what was predicted."""

from __future__ import annotations

import pytest

from data.clock import later, now
from data.tables.online_pairs import OnlinePair
from data.views.rebuild_derived import rebuild


@pytest.fixture
def run(store):
    return store.runs.enqueue("online", {}, "test")


@pytest.fixture
def ask(store, add_pairs, run):
    """ask(count, version) -> stored pairs that the run asks about; the reward model predicts 0.8 for the first."""

    def ask(count, version=0, **changes):
        pairs = add_pairs(count)
        asked = [
            OnlinePair(
                **{
                    "prompt_id": pair.prompt_id,
                    "a_id": pair.first_id,
                    "b_id": pair.second_id,
                    "version": version,
                    "arm": "random",
                    "rule": "random",
                    "probability": 0.5,
                    "predicted": 0.8,
                }
                | changes
            )
            for pair in pairs
        ]
        store.online_pairs.record(run.id, [pair.id for pair in pairs], asked)
        return pairs

    return ask


@pytest.fixture
def assign(store, people):
    def assign(pair, expires_at, labeler=0):
        row = {"id": f"a{pair.id}-{labeler}", "pair_id": pair.id, "labeler_id": people[labeler].id}
        sides = {"left_id": pair.first_id, "right_id": pair.second_id}
        store.insert("assignments", row | sides | {"expires_at": expires_at, "created_at": now()})
        return row["id"]

    return assign


def answer(store, assign, people, pair, verdict, labeler=0, source="person"):
    store.comparisons.record(
        id=f"c{pair.id}-{labeler}",
        assignment_id=assign(pair, now(), labeler),
        pair_id=pair.id,
        labeler_id=people[labeler].id,
        left_id=pair.first_id,
        right_id=pair.second_id,
        verdict=verdict,
        source=source,
    )


def test_a_prediction_is_of_the_completion_with_the_smaller_id(store, ask, run, assign, people):
    (pair,) = ask(1)
    (turned,) = ask(1)
    asked = OnlinePair(turned.prompt_id, turned.second_id, turned.first_id, 0, "active", "variance", 1.0, 0.7)
    assert asked.predicted_of_first == pytest.approx(0.3)
    answer(store, assign, people, pair, "left")
    (given,) = store.online_pairs.answers(run.id)
    assert (given.label, given.predicted, given.as_predicted) == (1.0, 0.8, 1.0)


def test_what_is_recorded_stays_as_it_was(store, ask, run):
    (pair,) = ask(1)
    again = OnlinePair(pair.prompt_id, pair.first_id, pair.second_id, 9, "active", "variance", 1.0, 0.1)
    store.online_pairs.record(run.id, [pair.id], [again])
    assert store.value("SELECT version FROM online_pairs WHERE pair_id = ?", [pair.id]) == 0


def test_a_pair_waits_until_somebody_looks_at_it_or_judged_it(store, ask, run, assign, people):
    first, second, third = ask(3)
    assign(first, later(60))
    answer(store, assign, people, second, "tie")
    assert store.online_pairs.waiting(run.id, 0) == 1
    assert store.online_pairs.waiting(run.id, 1) == 0  # there is none of a newer version
    assert third.shown


def test_older_pairs_are_withdrawn_unless_somebody_looks_at_them(store, ask, run, assign, people):
    looked_at, free, judged = ask(3)
    ask(2, version=1)
    assign(looked_at, later(60))
    answer(store, assign, people, judged, "right")
    assert store.online_pairs.withdraw_older(run.id, 1) == 1
    assert [store.pairs.get(pair.id).shown for pair in (looked_at, free, judged)] == [True, False, True]
    assert store.online_pairs.waiting(run.id, 0) == 2
    rebuild(store)  # it must not show again what was withdrawn
    assert not store.pairs.get(free.id).shown
    assert store.online_pairs.withdraw_all(run.id) == 2


def test_labelers_at_work_got_an_item_lately(store, ask, assign, people):
    first, second = ask(2)
    assert store.online_pairs.labelers_at_work() == 0
    assign(first, now())
    assign(second, now(), labeler=1)
    assert store.online_pairs.labelers_at_work() == 2
    assert len(people) == 2


def test_answers_of_excluded_labelers_and_both_bad_say_nothing(store, ask, run, assign, people):
    first, second, third = ask(3)
    answer(store, assign, people, first, "left")
    answer(store, assign, people, second, "both_bad")
    answer(store, assign, people, third, "right", labeler=1)
    store.excluded_labelers.exclude(people[1].name, "answers at random", by="test")
    assert [given.pair_id for given in store.online_pairs.answers(run.id)] == [first.id]


def test_an_answer_knows_the_newest_version_that_was_asked_about_when_it_came(store, ask, run, assign, people):
    first, second = ask(2)
    answer(store, assign, people, first, "left")
    ask(1, version=3)
    answer(store, assign, people, second, "left")
    (late,) = ask(1, version=2)  # of an older version, stored after a newer one
    answer(store, assign, people, late, "left")
    assert [(given.version, given.newest) for given in store.online_pairs.answers(run.id)] == [(0, 0), (0, 3), (2, 3)]
