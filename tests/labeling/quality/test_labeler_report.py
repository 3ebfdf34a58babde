# SPDX-License-Identifier: Apache-2.0
"""Figures of each labeler, computed by hand on a few comparisons."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.quality.labeler_report import position_bias
from labeling.quality.overview import build_overview
from labeling.quality.votes import Votes
from tests.support.labeling.votes import pairs_of_labelers


def test_a_labelers_figures_are_those_of_the_events(store, add_pairs, compare, mina, jun):
    pairs = add_pairs(6)
    for pair, verdict, seconds in zip(
        pairs, ("left", "left_much", "left", "right", "tie", "both_bad"), (2.0, 4.0, 9.0, 8.0, 3.0, 5.0), strict=True
    ):
        compare(pair, mina, verdict, seconds=seconds)
    for pair, verdict in zip(pairs[:3], ("left", "right", "tie"), strict=True):
        compare(pair, jun, verdict)
    store.active_time.record(f"mina-{pairs[2].id}-left", 1.0)  # of nine seconds at work for one
    store.insert(
        "assignments",
        {
            "id": "let-go",
            "pair_id": pairs[3].id,
            "labeler_id": jun.id,
            "left_id": pairs[3].first_id,
            "right_id": pairs[3].second_id,
            "expires_at": "",
            "created_at": "",
        },
    )
    store.insert("skips", {"assignment_id": "let-go", "reason": "?", "created_at": ""})
    figures = {labeler.labeler_id: labeler for labeler in build_overview(store, "people").labelers}
    labeler, other = figures[mina.id], figures[jun.id]
    assert (labeler.comparisons, other.comparisons) == (6, 3)
    assert (labeler.agreement.value, labeler.agreement.n) == (0.5, 3)  # 1, 0 and a half
    assert (labeler.left.value, labeler.left.n) == (0.75, 4)
    assert labeler.seconds == 3.5  # of 1, 2, 3, 4, 5 and 8
    assert (labeler.ties.value, labeler.both_bad.value) == (1 / 6, 1 / 6)
    assert (other.skips.value, other.skips.n) == (1 / 4, 4)
    assert labeler.gold.value is None


def test_gold_is_met_by_the_right_answer_however_strongly_and_only_on_gold_items(store, add_pairs, compare, mina):
    first, second, tie, bad, plain = add_pairs(5)
    store.gold.set(first.id, first.first_id, by="rae")
    store.gold.set(second.id, second.second_id, by="rae")
    store.gold.set(tie.id, None, outcome="tie", by="rae")
    store.gold.set(bad.id, None, outcome="both_bad", by="rae")
    for pair, verdict in ((first, "left_slightly"), (second, "left"), (tie, "tie"), (bad, "both_bad")):
        compare(pair, mina, verdict, gold=True)
    compare(plain, mina, "right")
    (one,) = build_overview(store, "people").labelers
    assert (one.gold.value, one.gold.n) == (0.75, 4)


def test_self_consistency_compares_a_planned_repeat_with_what_it_repeats(store, add_pairs, compare, mina):
    pairs = add_pairs(4)
    for pair, before, again in zip(
        pairs, ("left", "left", "tie", "both_bad"), ("right_much", "left", "left", "tie"), strict=True
    ):
        name = compare(pair, mina, before)
        compare(pair, mina, again, repeats=name, swapped=True)  # the same answer now stands on the other side
    (one,) = build_overview(store, "people").labelers
    assert (one.consistency.value, one.consistency.n) == ((1 + 0 + 0.5 + 0) / 4, 4)
    assert one.agreement.value is None


def test_position_bias_has_wilsons_interval():
    # Wilson for 60 of 100: (0.6 + 0.0192 -+ 1.96 sqrt(0.0024 + 0.0000960)) / 1.0384
    figures = position_bias(60, 100)
    assert (figures.value, figures.low, figures.high) == pytest.approx((0.6, 0.502, 0.6906), abs=5e-4)


def test_position_bias_covers_a_half_for_ninety_five_in_a_hundred_who_have_none():
    drawn = np.random.default_rng(7).binomial(200, 0.5, size=2000)
    covered = np.mean([position_bias(int(k), 200).low <= 0.5 <= position_bias(int(k), 200).high for k in drawn])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_two_by_two_counts_the_pairs_that_both_judged():
    pair, labeler, grade = np.array([[1, 1, 2, 2, 3, 3], [5, 6, 5, 6, 5, 7], [1, 1, 1, -1, 2, 0]])
    figures = {
        (one.first, one.second): (one.agreement.value, one.agreement.n)
        for one in pairs_of_labelers(Votes(pair, labeler, grade))
    }
    assert figures == {(5, 6): (0.5, 2), (5, 7): (0.5, 1)}
