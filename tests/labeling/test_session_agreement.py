# SPDX-License-Identifier: Apache-2.0
"""Agreement between labelers, with values worked out by hand."""

from __future__ import annotations

import pytest

from data.sqlite.connection import exclusive_lock
from labeling.page import feedback
from labeling.quality.agreement import measure_agreement, raw_agreement
from labeling.quality.figures_process import process_of
from labeling.quality.figures_worker import LOCK
from labeling.session import Answer, Session


def judge(store, name, preferences):
    """Let `name` answer every pair: 'plain', 'kind', 'tie' or 'both_bad' by prompt."""
    session = Session(store, store.accounts.add(name, "labeler"), overlap=9)
    while item := session.next():
        wish = preferences[item.prompt]
        verdict = wish if wish in ("tie", "both_bad") else "left" if item.left.startswith(wish) else "right_much"
        session.submit(Answer(f"{name}-{item.assignment}", item.assignment, verdict))


def test_agreement_counts_ties_half_and_leaves_both_bad_out(store, add_pairs):
    add_pairs(5)
    prompts = [f"Write note {number}." for number in range(5)]
    judge(store, "Mina", dict(zip(prompts, ("plain", "plain", "tie", "tie", "both_bad"), strict=True)))
    judge(store, "Jun", dict(zip(prompts, ("plain", "kind", "kind", "tie", "plain"), strict=True)))
    measured = measure_agreement(store)
    # 1 (same) + 0 (opposite) + 1/2 (one tie) + 1 (both tie); the fifth pair has one preference only
    assert (measured.rate, measured.pairs) == (2.5 / 4, 4)
    assert measured.low < 0.625 < measured.high
    assert raw_agreement(store) == (measured.rate, measured.pairs)


def test_three_labelers_of_a_pair_count_with_the_mean_of_their_pairs(store, add_pairs):
    add_pairs(1)
    for name, wish in (("Mina", "plain"), ("Jun", "plain"), ("Ada", "kind")):
        judge(store, name, {"Write note 0.": wish})
    assert measure_agreement(store).rate == pytest.approx(1 / 3)


def test_without_a_pair_judged_by_two_there_is_no_rate(store, add_pairs):
    add_pairs(2)
    session = Session(store, store.accounts.add("Mina", "labeler"))
    session.submit(Answer("answer-1", session.next().assignment, "left"))
    assert (measure_agreement(store).rate, measure_agreement(store).pairs) == (None, 0)


def test_what_the_labels_did_is_worked_out_again_only_after_an_answer_and_for_many_answers_never_while_labelers_wait(
    store, add_pairs, monkeypatch
):
    add_pairs(2)
    read, whole = [], type(store.comparison_columns).comparisons
    monkeypatch.setattr(
        type(store.comparison_columns), "comparisons", lambda self, after=0: (read.append(after), whole(self, after))[1]
    )
    judge(store, "Mina", {"Write note 0.": "plain", "Write note 1.": "plain"})
    judge(store, "Jun", {"Write note 0.": "plain", "Write note 1.": "kind"})
    assert [feedback.effect(store).agreement.rate for _ in range(3)] == [0.5] * 3
    assert read == [0]
    monkeypatch.setattr(feedback, "FOREGROUND_LIMIT", 0)
    judge(store, "Ada", {"Write note 0.": "plain", "Write note 1.": "plain"})
    with exclusive_lock(store.home / LOCK), store.transaction():  # the process is in the middle of its work
        assert feedback.effect(store).agreement.rate == 0.5  # the last one that is ready
    process_of(store).wait("agreement")
    assert feedback.effect(store).agreement.rate == pytest.approx((1 + 1 / 3) / 2)
    assert read == [0]
