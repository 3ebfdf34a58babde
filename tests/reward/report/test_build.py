# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of a reward model's report, on numbers that can be checked by hand."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from data.intervals import wilson_interval
from reward.report.build import build_report, highest_reachable, skill
from reward.report.scored import FitPair, ScoredComparison, ordered, share_by_prompt


def judged(prompt_id, a_score, b_score, label, *, margin=2, gold=(None, None), texts=("aa", "b")):
    return ScoredComparison(prompt_id, f"prompt {prompt_id}", *texts, a_score, b_score, label, margin, *gold)


def test_equal_scores_count_half_and_order_counts_by_the_label():
    right = ordered(np.array([1, 1, 0, 0, 7]), np.array([0, 0, 0, 1, 0]), np.array([1, 0, 1, 0, 0.5]))
    assert right.tolist() == [1, 0, 0.5, 1, 0.5]


def test_accuracy_leaves_out_what_people_called_a_tie():
    report = build_report([judged(1, 1, 0, 1.0), judged(2, 1, 0, 0.0), judged(3, 9, 0, 0.5), judged(4, 2, 0, 1.0)])
    assert report["accuracy"] == pytest.approx(2 / 3)
    assert (report["test_comparisons"], report["ties"]) == (4, 1)


def test_with_ties_at_half_every_comparison_counts():
    report = build_report([judged(1, 1, 0, 1.0), judged(2, 1, 0, 0.0), judged(3, 9, 0, 0.5), judged(4, 2, 0, 1.0)])
    assert report["accuracy_ties_half"] == pytest.approx((1 + 0 + 0.5 + 1) / 4)


def test_the_loss_of_equal_scores_is_ln_2_and_ties_pull_to_the_middle():
    assert build_report([judged(1, 0, 0, 1.0)])["loss"] == pytest.approx(math.log(2))
    tie = build_report([judged(1, 3, 0, 0.5), judged(1, 0, 0, 1.0)])["loss"]
    expected = (0.5 * math.log(1 + math.exp(-3)) + 0.5 * math.log(1 + math.exp(3)) + math.log(2)) / 2
    assert tie == pytest.approx(expected)


def test_skill_is_the_share_of_the_way_from_a_coin_to_the_ceiling():
    assert skill(0.725, 0.8) == pytest.approx(0.75)
    assert skill(None, 0.8) is None
    assert skill(0.7, 0.5) is None


def test_the_ceiling_is_gold_on_the_same_noisy_labels():
    rows = [judged(1, 0, 1, 1.0, gold=(2, 1)), judged(2, 1, 0, 0.0, gold=(2, 1)), judged(3, 1, 0, 1.0, gold=(1, 1))]
    report = build_report(rows)
    assert report["ceiling"] == pytest.approx((1 + 0 + 0.5) / 3)
    assert report["gold_accuracy"] == pytest.approx(1 / 2)


def test_there_is_no_ceiling_where_the_rubric_knows_only_some_prompts():
    report = build_report([judged(1, 1, 0, 1.0, gold=(2, 1)), judged(2, 1, 0, 1.0)])
    assert report["ceiling"] is None
    assert report["skill"] is None


def test_the_length_baseline_prefers_the_longer_answer():
    rows = [
        judged(n, 0, 0, label, texts=texts)
        for n, (label, texts) in enumerate([(1.0, ("aaa", "a")), (1.0, ("a", "aaa"))])
    ]
    assert build_report([*rows, rows[0]])["length_baseline"] == pytest.approx(2 / 3)


def test_the_interval_resamples_prompts_not_rows():
    same_prompt, own_prompts = share_by_prompt([1, 0] * 50, [1] * 100), share_by_prompt([1, 0] * 50, range(100))
    assert same_prompt == (0.5, list(wilson_interval(0.5, 1)))
    low, high = own_prompts[1]
    assert low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.02)
    assert high == pytest.approx(0.5 + 1.96 * 0.05, abs=0.02)


def test_a_few_right_answers_are_no_certainty():
    share, (low, high) = share_by_prompt([1, 1, 1], [1, 2, 3])
    assert share == 1
    assert low == pytest.approx(3 / (3 + 1.959964**2))  # Wilson's lower limit for n of n is n / (n + z^2)
    assert high == 1


def test_fit_accuracy_counts_pairs_that_differ_in_fit_alone():
    report = build_report([judged(1, 1, 0, 1.0)], [FitPair(1, 2.0, 1.0), FitPair(2, 0.0, 1.0), FitPair(3, 1.0, 1.0)])
    assert report["fit_accuracy"] == pytest.approx(0.5)
    assert report["fit_pairs"] == 3


def test_accuracy_is_given_per_margin():
    rows = [judged(1, 1, 0, 1.0, margin=3), judged(2, 1, 0, 0.0, margin=1), judged(3, 1, 0, 1.0, margin=1)]
    assert [(m["margin"], m["accuracy"]) for m in build_report(rows)["by_margin"]] == [(1, 0.5), (3, 1.0)]


def test_the_worst_disagreements_come_first_and_name_both_answers():
    rows = [judged(1, 0, 1, 1.0), judged(2, 5, 0, 0.0, texts=("sure", "kind")), judged(3, 9, 0, 1.0)]
    worst = build_report(rows)["worst"]
    assert [w["difference"] for w in worst] == [5, 1]
    assert (worst[0]["preferred"], worst[0]["model_prefers"]) == ("kind", "sure")
    assert (worst[0]["preferred_score"], worst[0]["model_prefers_score"]) == (0, 5)
    assert worst[0]["confidence"] == pytest.approx(1 / (1 + math.exp(-5)), abs=1e-4)


def test_twenty_disagreements_are_kept():
    assert len(build_report([judged(n, 0, n + 1, 1.0) for n in range(30)])["worst"]) == 20


def test_between_agreement_and_its_root_lies_the_best_model():
    result = build_report([judged(1, 1, 0, 1.0)], agreement={"rate": 0.68, "ci": [0.6, 0.745], "pairs": 90})
    assert result["reachable"] == pytest.approx([0.68, 0.8])  # 0.8^2 + 0.2^2 = 0.68
    assert highest_reachable(result) == pytest.approx(0.85)  # 0.85^2 + 0.15^2 = 0.745
    assert highest_reachable(build_report([judged(1, 1, 0, 1.0)])) == 1.0
    assert highest_reachable(build_report([judged(1, 1, 0, 1.0, gold=(2, 1))])) == 1.0


def test_without_test_labels_nothing_is_invented():
    report = build_report([])
    assert [report[key] for key in ("accuracy", "ci", "ceiling", "length_baseline", "fit_accuracy", "skill")] == [
        None
    ] * 6
    assert "not known" in report["note"]


def test_a_report_is_json():
    json.loads(
        json.dumps(
            build_report([judged(1, 1, 0, 1.0, gold=(2, 1)), judged(2, 1, 0, 0.0, gold=(2, 1))]), allow_nan=False
        )
    )


def test_report_settings_and_page_need_no_torch():
    code = "import sys, reward, reward.report.build, reward.settings, reward.page; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
