# SPDX-License-Identifier: Apache-2.0
"""Accuracy by group, and what a reward model leans to, on answers whose features can be seen."""

from __future__ import annotations

import pytest

from reward.report.groups import by_labeler, by_margin, by_winner_side, correlations, feature_biases, uses_list
from reward.report.scored import ScoredComparison

LIST, PLAIN = "Three tips:\n- one\n- two", "Tips: one and two"


def judged(prompt_id, scores, label, *, margin=2, texts=("aa", "b"), labeler=""):
    return ScoredComparison(prompt_id, "p", *texts, *scores, label, margin, labeler=labeler)


def test_each_strength_of_preference_has_its_accuracy_and_ties_have_none():
    rows = [
        judged(1, (1, 0), 1.0, margin=3),
        judged(2, (1, 0), 0.0, margin=1),
        judged(3, (1, 0), 1.0, margin=1),
        judged(4, (1, 0), 0.5, margin=0),
    ]
    assert [(one["name"], one["comparisons"], one["accuracy"]) for one in by_margin(rows)] == [
        ("slightly", 2, 0.5),
        ("significantly", 1, 1.0),
    ]


def test_labelers_stand_by_name_the_busiest_first():
    rows = [
        judged(1, (1, 0), 1.0, labeler="ana"),
        judged(2, (1, 0), 1.0, labeler="mina"),
        judged(3, (1, 0), 0.0, labeler="mina"),
    ]
    result = by_labeler(rows)
    assert [(one["labeler"], one["comparisons"], one["prompts"], one["accuracy"]) for one in result] == [
        ("mina", 2, 2, 0.5),
        ("ana", 1, 1, 1.0),
    ]
    assert result[1]["ci"][0] < 1 < result[1]["ci"][1] + 1e-9


def test_accuracy_is_given_by_the_side_on_which_the_better_answer_stood():
    rows = [judged(1, (1, 0), 1.0), judged(2, (0, 1), 1.0), judged(3, (0, 1), 0.0)]
    assert [(one["side"], one["accuracy"]) for one in by_winner_side(rows)] == [("left", 0.5), ("right", 1.0)]


@pytest.mark.parametrize(
    ("text", "is_list"),
    [
        (LIST, 1),
        (PLAIN, 0),
        ("1. one\n2. two", 1),
        ("2) two", 1),
        ("• dot", 1),
        ("a - b", 0),
        ("12 apples", 0),
        ("-", 0),
        ("3.5 metres", 0),
    ],
)
def test_a_list_is_told_by_how_a_line_starts(text, is_list):
    assert uses_list(text) == is_list


def test_the_score_that_is_the_length_correlates_fully_and_sides_at_odds_with_it_fully_the_other_way():
    rows = [judged(1, (3, 1), 1.0, texts=("aaa", "b")), judged(2, (3, 1), 1.0, texts=("ccc", "d"))]
    result = correlations(rows)
    assert result["length_correlation"] == pytest.approx(1)
    assert result["side_correlation"] == pytest.approx(1)
    assert result["list_correlation"] is None
    mirrored = [judged(row.prompt_id, (row.b_score, row.a_score), 0.0, texts=(row.b_text, row.a_text)) for row in rows]
    assert correlations(mirrored)["side_correlation"] == pytest.approx(-1)


def test_what_differs_between_prompts_is_no_leaning_within_them():
    # The second prompt's answers are longer and score higher; within each prompt the longer one scores lower.
    rows = [judged(1, (0, 1), 0.0, texts=("aa", "b")), judged(2, (10, 11), 0.0, texts=("c" * 22, "d" * 21))]
    result = correlations(rows)
    assert result["length_correlation"] > 0.9
    assert result["length_correlation_within_prompt"] == pytest.approx(-1)


def test_a_repeated_answer_counts_once_in_a_correlation():
    rows = [judged(1, (3, 1), 1.0, texts=("aaa", "b"))]
    assert correlations(rows * 3)["length_correlation"] == pytest.approx(correlations(rows)["length_correlation"])


def test_leanings_set_the_model_beside_the_labelers_where_answers_differ_in_that():
    rows = [
        judged(1, (1, 0), 0.0, texts=(LIST, PLAIN)),
        judged(2, (1, 0), 0.0, texts=(LIST, PLAIN)),
        judged(3, (0, 1), 1.0, texts=(PLAIN, LIST)),
        judged(4, (1, 0), 1.0, texts=("yes", "no!")),
    ]
    result = {bias["prefers"]: bias for bias in feature_biases(rows)}
    assert (result["list"]["comparisons"], result["list"]["labelers"], result["list"]["model"]) == (3, 0.0, 1.0)
    assert (result["longer"]["comparisons"], result["left"]["comparisons"]) == (3, 4)
    assert (result["left"]["labelers"], result["left"]["model"]) == (0.5, 0.75)
