# SPDX-License-Identifier: Apache-2.0
"""The approximate interval of Krippendorff's alpha covers the truth as often as docs/quality.md states."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.quality.agreement import Agreement, AgreementReport, Alpha
from rlhf.pages.labels_tables import alpha_interval
from rlhf.pages.labels_view import _alpha
from tests.bench.coverage import sample_alpha, simulate_coverage, stated_coverage

DRAWS = 60


@pytest.mark.parametrize("units", [20, 100, 1000])
@pytest.mark.parametrize("level", ["nominal", "ordinal"])
def test_the_interval_covers_the_truth_as_stated(level, units):
    share, printed = simulate_coverage(sample_alpha(level), units, DRAWS, seed=1)
    stated = stated_coverage(f"alpha_{level}", units)
    assert printed > DRAWS / 2
    assert abs(share - stated) <= 4 * np.sqrt(stated * (1 - stated) / printed)


def test_the_true_alpha_of_the_simulation_is_that_of_a_large_sample():
    widths = [sample_alpha(level)(np.random.default_rng(3), 50_000) for level in ("nominal", "ordinal")]
    for truth, (low, high) in widths:
        assert low - 0.01 < truth < high + 0.01
        assert high - low < 0.03


def test_the_page_calls_the_interval_approximate_and_hides_it_below_ten_units():
    alpha = Alpha(0.48, 0.42, 0.53)
    assert _alpha(alpha, 10) == "0.48 (approximately 0.42 to 0.53)"
    assert _alpha(alpha, 9) == "too few to say (9)"
    assert (alpha_interval(alpha, 10), alpha_interval(alpha, 9)) == ("0.42 to 0.53", "")
    assert _alpha(Alpha(-0.92, None, None), 12) == "-0.92 (no interval: the pairs are all alike)"
    assert _alpha(Alpha(None, None, None), 9) == "–"
    assert AgreementReport(Agreement(None, 0, 1, 0, 0), alpha, alpha).as_json()["alpha_nominal_ci"] == [0.42, 0.53]
