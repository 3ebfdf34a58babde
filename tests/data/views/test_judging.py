# SPDX-License-Identifier: Apache-2.0
"""Judgings: people's verdicts on two policies decide as they come, and the pairs that wait are withdrawn."""

from __future__ import annotations

import pytest

from data.tables.projects import STANDARD
from data.views.judging import newest_judging, read_judging, withdraw_if_decided
from data.views.rebuild_derived import rebuild
from labeling.session import Session
from tests.support.data.judged_pairs import JudgedPairs


@pytest.fixture
def judged(store):
    """100 pairs that wait, and the labelers Mina and Jun."""
    store.accounts.add("Mina", "labeler")
    store.accounts.add("Jun", "labeler")
    return JudgedPairs(store, 100)


def read(judged):
    return read_judging(judged.store, judged.run.id)


def test_nine_verdicts_for_one_side_withdraw_the_pairs_that_wait(judged):
    """The capital of eight wins is 14, of nine 23, and 20 decides: see the test of the confidence sequence."""
    judged.judge("Mina", "n" * 8)
    assert (read(judged).is_decided, read(judged).waiting, read(judged).withdrawn) == (False, 92, 0)
    judged.judge("Mina", "n")
    assert (read(judged).is_decided, read(judged).waiting, read(judged).withdrawn) == (True, 0, 91)
    assert judged.store.pairs.waiting_count() == 0
    assert Session(judged.store, "Jun").next() is None


def test_verdicts_for_the_parent_decide_too(judged):
    judged.judge("Mina", "o" * 9)
    assert (read(judged).rate, read(judged).withdrawn) == (0.0, 91)
    assert read(judged).interval.high < 0.5


def test_even_verdicts_and_ties_withdraw_nothing(judged):
    judged.judge("Mina", "no" * 10 + "t" * 20)
    assert (read(judged).rate, read(judged).withdrawn, read(judged).waiting) == (0.5, 0, 60)


def test_a_pair_that_somebody_looks_at_stays_and_its_answer_counts(judged):
    jun = Session(judged.store, "Jun")
    assert jun.next() is not None
    judged.judge("Mina", "n" * 9)
    assert read(judged).withdrawn == 90
    judged.judge("Jun", "o")
    assert len(read(judged).outcomes) == 10


def test_figures_follow_undone_answers_and_excluded_labelers(judged):
    judged.judge("Mina", "n" * 9)
    Session(judged.store, "Mina").undo()
    assert (len(read(judged).outcomes), read(judged).is_decided, read(judged).withdrawn) == (8, False, 91)
    judged.store.excluded_labelers.exclude("Mina", "random answers", by="rae")
    assert read(judged).outcomes == []


def test_simulated_labelers_decide_nothing(judged):
    judged.store.accounts.add("sim-1", "labeler", simulated=True)
    judged.judge("sim-1", "n" * 12)
    assert (read(judged).outcomes, read(judged).withdrawn) == ([], 0)


def test_two_verdicts_on_a_pair_count_as_their_mean(judged):
    judged.store.projects.change(STANDARD, overlap=2)
    judged.judge("Mina", "n")
    judged.judge("Jun", "o")  # an item with some of its answers comes first
    assert read(judged).outcomes == [0.5]


def test_a_rebuild_keeps_withdrawn_pairs_out_of_the_queue(judged):
    judged.judge("Mina", "n" * 9)
    rebuild(judged.store)
    assert judged.store.pairs.waiting_count() == 0


def test_the_newest_judging_of_two_policies_is_found_by_their_ids(judged):
    assert newest_judging(judged.store, "p2", "p1") == read(judged)
    assert newest_judging(judged.store, "p1", "p2") is None


def test_other_pairs_belong_to_no_judging(store, add_pairs):
    (pair,) = add_pairs(1, purpose="compare")
    assert withdraw_if_decided(store, pair.id) == 0
