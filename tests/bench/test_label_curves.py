# SPDX-License-Identifier: Apache-2.0
"""The curves of the study of labels: known ones are found again, and the page shows what the lines say."""

from __future__ import annotations

import json

import pytest

from docs import label_curves
from docs.label_curves import draw_curves, fit_curve, labels_needed, page, read_wins, win_rate


def line(seed: int, arm: str, **wins: float) -> str:
    most = max(int(name.removeprefix("at_")) for name in wins)
    rows = {f"{arm}_{name.removeprefix('at_')}": {"win_rate": value} for name, value in wins.items()}
    return json.dumps({"seed": seed, "case": f"far/{arm}/{most}", "beta": 1.0} | rows)


def test_points_on_a_curve_give_its_two_numbers():
    curve = fit_curve([(n, float(win_rate(n, 40.0, 0.6))) for n in (50, 100, 200, 400)])
    assert curve == pytest.approx((40.0, 0.6), rel=1e-4)


def test_at_a_labels_half_is_won_and_the_labels_needed_are_the_inverse():
    assert win_rate(40.0, 40.0, 0.6) == 0.5
    assert win_rate(labels_needed((40.0, 0.6), 0.85), 40.0, 0.6) == pytest.approx(0.85)


def test_one_size_has_no_curve():
    assert fit_curve([(100, 0.7), (100, 0.72)]) is None


def test_draws_take_seeds_whole_so_equal_seeds_have_one_curve():
    wins = {n: {seed: float(win_rate(n, 30.0, 0.5)) for seed in (101, 102)} for n in (50, 100, 200)}
    for curve in draw_curves(wins, draws=5):
        assert curve == pytest.approx((30.0, 0.5), rel=1e-4)


def test_the_page_has_means_seeds_and_the_labels_for_the_offline_arm_s_win_rate():
    lines = [
        line(101, "offline", at_100=0.60),
        line(101, "offline", at_200=0.80),
        line(102, "offline", at_200=0.84),
        line(101, "variance", at_50=0.60, at_100=0.82),
    ]
    text = page(read_wins(lines))
    assert "| 200 | 82.0 % (2) |  |" in text
    assert "| 100 | 60.0 % (1) | 82.0 % (1) |" in text
    assert "labels for 82.0 %" in text
    assert "| online, disputed pairs | " in text
    assert "| 100 (100 to 100) |" in text  # two points lie on their curve


def test_the_page_in_the_documents_is_that_of_the_results():
    worlds = read_wins(label_curves.RESULTS.read_text("utf-8").splitlines())
    assert label_curves.PAGE.read_text("utf-8") == page(worlds), "run: python -m docs.label_curves"
