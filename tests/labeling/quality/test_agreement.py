# SPDX-License-Identifier: Apache-2.0
"""Agreement between votes: against the definition written out, by groups, and with its intervals."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.tables.comparison_columns import OF_TASK
from labeling.quality.agreement import report_agreement
from labeling.quality.patterns import pair_up_votes
from labeling.quality.votes import Votes, split_by_group
from tests.support.labeling.votes import pairs_of_labelers


def votes(rows: list[tuple[int, int, int]]) -> Votes:
    """Votes from (pair, labeler, grade)."""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Votes(columns[0], columns[1], columns[2].astype(np.int8))


def agree(one: int, other: int) -> float:
    return 1 - abs(np.sign(one) - np.sign(other)) / 2


ROWS = st.dictionaries(st.tuples(st.integers(0, 6), st.integers(1, 5)), st.integers(-3, 3), max_size=25)


@given(ROWS)
@settings(max_examples=40, deadline=None)
def test_a_pair_counts_once_with_the_mean_over_its_pairs_of_labelers(grades_given):
    report = report_agreement(votes([(pair, who, grade) for (pair, who), grade in grades_given.items()])).raw
    by_pair = defaultdict(list)
    for (pair, _), grade in grades_given.items():
        by_pair[pair].append(grade)
    means = [
        np.mean([agree(a, b) for a, b in combinations(grades, 2)]) for grades in by_pair.values() if len(grades) > 1
    ]
    assert report.pairs == len(means)
    assert report.rate is None if not means else report.rate == pytest.approx(np.mean(means))
    assert 0 <= report.low <= (report.rate or report.low) <= report.high + 1e-12 <= 1 + 1e-12


@given(ROWS)
@settings(max_examples=30, deadline=None)
def test_pairings_are_every_two_votes_on_a_pair(grades_given):
    rows = [(pair, who, grade) for (pair, who), grade in grades_given.items()]
    report = sorted(zip(*(column.tolist() for column in pair_up_votes(votes(rows).on_shared_pairs())), strict=True))
    expected = sorted(
        (min(a, b), max(a, b), p, agree(x, y)) for (p, a, x), (q, b, y) in combinations(rows, 2) if p == q
    )
    assert report == expected


def test_pairs_of_one_ranking_are_resampled_together():
    """16 rankings of six answers, 15 pairs each, by two people who agree wholly in half of them and not at all in the others: sixteen units of mean a half, so the standard error is 0.5 / 4 whatever the number of pairs."""
    rows = [
        (-OF_TASK * task - pair, who, 2 if who == 1 or task % 2 else -2)
        for task in range(1, 17)
        for pair in range(1, 16)
        for who in (1, 2)
    ]
    report = report_agreement(votes(rows))
    assert (report.raw.rate, report.raw.pairs, report.raw.units) == (0.5, 240, 16)
    assert (report.raw.low, report.raw.high) == pytest.approx((0.5 - 1.96 / 8, 0.5 + 1.96 / 8), abs=0.03)
    assert report.nominal.high - report.nominal.low > 0.3  # of 240 pairs by themselves it would be 0.12
    (two,) = pairs_of_labelers(votes(rows))
    assert (two.agreement.low, two.agreement.high) == pytest.approx((report.raw.low, report.raw.high), abs=0.03)


def test_compared_pairs_stand_beside_tasks():
    """Four compared pairs in agreement, and a ranking of three answers with one of three pairs: 5 of 7."""
    rows = [(pair, who, 1) for pair in range(1, 5) for who in (1, 2)]
    rows += [(-OF_TASK - pair, who, 2 if who == 1 or pair == 1 else -2) for pair in (1, 2, 3) for who in (1, 2)]
    report = report_agreement(votes(rows)).raw
    assert (report.rate, report.pairs, report.units) == (pytest.approx(5 / 7), 7, 5)


def test_where_all_agree_the_interval_is_wilsons():
    report = report_agreement(votes([(pair, who, 2) for pair in range(10) for who in (1, 2)])).raw
    assert report.rate == 1
    assert (report.low, report.high) == pytest.approx((0.7225, 1.0), abs=1e-4)  # 10 / (10 + 1.96^2)


def test_the_bootstrap_interval_is_the_normal_one_where_pairs_are_many():
    rows = [(pair, who, 1 if who == 1 or pair % 4 else -1) for pair in range(2000) for who in (1, 2)]
    report = report_agreement(votes(rows)).raw
    reach = 1.96 * (0.75 * 0.25 / 2000) ** 0.5
    assert (report.low, report.rate, report.high) == pytest.approx((0.75 - reach, 0.75, 0.75 + reach), abs=0.003)


def test_alpha_says_chance_where_raw_agreement_flatters():
    # both labelers nearly always prefer the first: raw agreement is high, beyond chance there is none
    grades_given = [(1, 1)] * 90 + [(1, -1)] * 5 + [(-1, 1)] * 5
    report = report_agreement(
        votes([(pair, who, grade) for pair, both in enumerate(grades_given) for who, grade in enumerate(both)])
    )
    assert report.raw.rate == 0.9
    # Krippendorff: observed 0.1; 190 first and 10 second of 200 values: expected 2 * 190 * 10 / (200 * 199)
    assert report.nominal.value == pytest.approx(1 - 0.1 / (3800 / 39800))


def test_grades_that_differ_in_strength_alone_agree_in_order_and_nearly_in_degree():
    # 1 and 2 prefer the same side throughout, one always a grade more strongly
    rows = [(pair, who, sign * (who + 1)) for pair, sign in enumerate((1, -1) * 20) for who in (1, 2)]
    report = report_agreement(votes(rows))
    assert report.nominal.value == 1.0
    # 20 each of -3, -2, 2, 3 have mean ranks 10, 30, 50, 70. Observed: 80 values with (20)^2. Expected: ordered pairs
    # 400 * (6 * 20^2 + 4 * 40^2 + 2 * 60^2), over 80 * 79.
    assert report.ordinal.value == pytest.approx(1 - 79 * (80 * 400) / (400 * (2400 + 6400 + 7200)))


def test_only_votes_of_one_group_are_held_against_each_other():
    rows = [(1, 1, 2), (1, 2, 2), (1, 3, -2), (2, 1, 1), (2, 2, -1), (3, 1, 1), (3, 2, 1)]
    group = np.array([7, 7, 8, 7, 7, 8, 8])  # the third labeler judged pair 1 under another guideline
    report = split_by_group(votes(rows), group)
    assert {key: (report_agreement(one).raw.rate, report_agreement(one).raw.pairs) for key, one in report.items()} == {
        7: (0.5, 2),
        8: (1.0, 1),
    }
