# SPDX-License-Identifier: Apache-2.0
"""The intervals of calibration bins cover the truth; those of a forecast cover it as often as docs/reward.md states."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from reward.report.plots import curve
from tests.bench.coverage import SIZES, sample_bin, sample_forecast, simulate_coverage, stated_coverage
from tests.support import ROOT

NAMES = {
    "quality.md": {"nominal alpha": "alpha_nominal", "ordinal alpha": "alpha_ordinal"},
    "reward.md": {"calibration bin": "calibration_bin", "forecast": "forecast"},
}


@pytest.mark.parametrize("units", SIZES)
def test_the_interval_of_a_calibration_bin_covers_the_truth(units):
    share, printed = simulate_coverage(sample_bin, units, 700, seed=2)
    assert printed == 700
    assert 0.93 <= share <= (0.985 if units == 5 else 0.97)


def test_a_forecast_covers_the_truth_as_often_as_stated():
    share, printed = simulate_coverage(sample_forecast, 1000, 30, seed=1)
    stated = stated_coverage("forecast", 1000)
    assert printed > 10
    assert abs(share - stated) <= 4 * np.sqrt(stated * (1 - stated) / printed)


def test_no_forecast_is_printed_from_five_test_prompts():
    assert simulate_coverage(sample_forecast, 5, 20, seed=1)[1] == 0


def test_the_plot_calls_the_intervals_of_a_forecast_approximate():
    points = [{"labels": 100 * n, "accuracy": 0.6 + 0.02 * n, "ci": [0.5, 0.8]} for n in range(1, 5)]
    ahead = {"more": 100, "labels": 500, "accuracy": 0.7, "ci": [0.6, 0.8], "gain": 0.02, "gain_ci": [0, 0.1]}
    document = {
        "points": points,
        "ceiling": 1.0,
        "fit": {"a": 0.8, "b": 1.0, "c": 0.5},
        "forecast": [ahead],
        "note": None,
    }
    assert "Forecast of more labels, with approximate 95 % intervals: +100: 70 % (60–80)." in curve(
        {"learning_curve": document}
    )


@pytest.mark.parametrize("page", NAMES)
def test_the_docs_state_the_measured_coverage(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for name, figure in NAMES[page].items():
        (row,) = re.findall(rf"^\| {name} \| (.+) \|$", text, re.MULTILINE)
        shares = [stated_coverage(figure, units) for units in SIZES]
        stated = ["no forecast" if math.isnan(share) else f"{100 * share:.0f} %" for share in shares]
        assert row.split(" | ") == stated
